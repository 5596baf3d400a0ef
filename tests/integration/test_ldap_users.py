"""`ldap:` as a back end of log-ins, on a real slapd."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from gatepost.auth.backends.ldap import Directory
from gatepost.auth.backends.ldap_opening import open_directory
from gatepost.auth.port import Checker
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable as NotOpened
from gatepost.lookup.registry import Tables
from gatepost.proto.sasl.port import Accepted, IsPassword, Refused, Secret, Unavailable, Verdict
from tests.integration.slapd import ADMIN, BASE, Slapd, person
from tests.integration.slapd import PASSWORD as ADMIN_PASSWORD
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract
from tests.support.free_ports import free_port

_USER = {"objectClass": ["device", "mailUser", "simpleSecurityObject"]}


def _person(name: str, password: bytes | str, *addresses: str) -> tuple[str, dict[str, list[str]]]:
    text = password if isinstance(password, str) else password.decode()
    dn, attributes = person(name, mailacceptinggeneralid=list(addresses or (name,)), userPassword=[text])
    return dn, {**attributes, **_USER}  # type: ignore[return-value]


ENTRIES = [
    _person(USER, PASSWORD),
    _person("ben", "ben's"),
    _person("twin1", "same", "twin"),
    _person("twin2", "same", "twin"),
    person("nopassword", mailacceptinggeneralid=["nopassword"]),
    (f"cn=asmtp,{BASE}", {"objectClass": ["groupOfNames", "mailUser"], "cn": ["asmtp"], "member": [f"cn={USER},{BASE}"],
                          "mailacceptinggeneralid": ["by-name-alice"]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    one = Slapd(ENTRIES)
    yield one
    one.clean()


def _file(folder: Path, hosts: str, more: str = "") -> Path:
    path = folder / "users.cf"
    path.write_text(
        f"server_host = {hosts}\nsearch_base = {BASE}\nquery_filter = (mailacceptinggeneralid=%s)\ntimeout = 2\n{more}\n"
    )
    return path


def _open(path: Path, log: list[str]) -> Directory:
    tables = Tables(log.append, fold=False, strict=True)
    return open_directory(Opening("ldap", str(path), tables, log.append, asyncio.get_running_loop().time, fold=False))


def _ask(path: Path, *logins: tuple[str, str], log: list[str] | None = None) -> list[Verdict]:
    async def asked() -> list[Verdict]:
        directory = _open(path, [] if log is None else log)
        return [await directory.check(IsPassword(user, Secret(password.encode())), ATTEMPT) for user, password in logins]

    return asyncio.run(asked())


class TestContract(CheckerContract):
    run = staticmethod(asyncio.run)
    listener: ClassVar[socket.socket]

    @pytest.fixture(autouse=True)
    def _site(self, slapd: Slapd, tmp_path: Path) -> None:
        self.slapd, self.folder = slapd, tmp_path

    @asynccontextmanager
    async def _at(self, hosts: str) -> AsyncIterator[Checker]:
        yield _open(_file(self.folder, hosts), self.log)

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.slapd.url)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(f"ldap://127.0.0.1:{free_port()}")

    @asynccontextmanager
    async def _silent(self) -> AsyncIterator[Checker]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with self._at(f"ldap://127.0.0.1:{listener.getsockname()[1]}") as checker:
                yield checker

    def slow(self) -> AbstractAsyncContextManager[Checker]:
        return self._silent()


def test_no_empty_password_reaches_a_server(slapd: Slapd, tmp_path: Path) -> None:
    """RFC 4513 §5.1.2: the server would say that it is right."""
    before = slapd.log().count("BIND dn=")
    assert _ask(_file(tmp_path, slapd.url, "bind = no"), (USER, ""), ("nobody", "")) == [Refused(), Refused()]
    assert slapd.log().count("BIND dn=") == before


def test_several_entries_are_nobody(slapd: Slapd, tmp_path: Path) -> None:
    log: list[str] = []
    assert _ask(_file(tmp_path, slapd.url), ("twin", "same"), log=log) == [Refused()]
    assert any("more than one entry" in line for line in log)


def test_an_entry_without_a_password(slapd: Slapd, tmp_path: Path) -> None:
    assert _ask(_file(tmp_path, slapd.url), ("nopassword", "x")) == [Refused()]


def test_spaces_and_letters_that_make_no_other_user(slapd: Slapd, tmp_path: Path) -> None:
    path = _file(tmp_path, slapd.url)
    secret = PASSWORD.decode()
    assert _ask(path, (f"{USER} ", secret), (f"  {USER}", secret)) == [Refused(), Refused()]
    assert _ask(path, (USER.upper(), secret)) == [Accepted(USER.upper())]  # a directory takes them for one (caseIgnoreMatch)


@pytest.mark.parametrize(
    "more",
    [
        f"group_search_base = {BASE}\ngroup_filter = (cn=asmtp)\ngroup_member_attribute = member",
        f"group_search_base = {BASE}\ngroup_filter = (&(cn=asmtp)(mailacceptinggeneralid=by-name-%u))",
        f"group_search_base = cn=asmtp,{BASE}\ngroup_member_attribute = member",
    ],
)
def test_only_members_of_a_group(slapd: Slapd, tmp_path: Path, more: str) -> None:
    path = _file(tmp_path, slapd.url, more)
    assert _ask(path, (USER, PASSWORD.decode()), ("ben", "ben's"), (USER, "x")) == [Accepted(USER), Refused(), Refused()]


@pytest.mark.parametrize(
    "more",
    [
        "group_filter = (cn=asmtp)",
        "group_member_attribute = member",
        f"group_search_base = {BASE}",
        f"group_search_base = {BASE}\ngroup_filter = (cn=asmtp)",
        f"group_search_base = {BASE}\ngroup_filter = memberUid=%u",
        "query_filter = (objectClass=device)",
        "search_base =",
        "bind = perhaps",
    ],
)
def test_what_would_let_in_others_is_refused_at_once(slapd: Slapd, tmp_path: Path, more: str) -> None:
    with pytest.raises(NotOpened):
        _ask(_file(tmp_path, slapd.url, more))


def test_a_group_that_cannot_be_searched_is_for_now(slapd: Slapd, tmp_path: Path) -> None:
    path = _file(tmp_path, slapd.url, "group_search_base = ou=gone,dc=nowhere\ngroup_member_attribute = member")
    assert isinstance(_ask(path, (USER, PASSWORD.decode()))[0], Unavailable)


def test_the_next_server(slapd: Slapd, tmp_path: Path) -> None:
    hosts = f"ldap://127.0.0.1:{free_port()} {slapd.url}"
    assert _ask(_file(tmp_path, hosts), (USER, PASSWORD.decode()), (USER, "x")) == [Accepted(USER), Refused()]


@pytest.mark.parametrize("how", ["starttls", "ldaps"])
def test_tls(slapd: Slapd, tmp_path: Path, how: str) -> None:
    url = f"ldaps://127.0.0.1:{slapd.secure_port}" if how == "ldaps" else slapd.url
    more = "tls_require_cert = yes\n" + ("start_tls = yes\n" if how == "starttls" else "")
    trusting = _file(tmp_path, url, f"{more}tls_ca_cert_file = {slapd.authority}")
    assert _ask(trusting, (USER, PASSWORD.decode()), (USER, "x")) == [Accepted(USER), Refused()]
    before = slapd.log().count("BIND dn=")
    assert isinstance(_ask(_file(tmp_path, url, more), (USER, PASSWORD.decode()))[0], Unavailable)
    assert slapd.log().count("BIND dn=") == before  # no password goes to a server that is not proven


def test_kept_connections_stay_who_they_are(slapd: Slapd, tmp_path: Path) -> None:
    """A search after a log-in is still the searcher's."""
    path = _file(tmp_path, slapd.url, f"bind = yes\nbind_dn = {ADMIN}\nbind_pw = {ADMIN_PASSWORD}")
    begun = len(slapd.log())
    secret = PASSWORD.decode()
    assert _ask(path, *[(USER, secret), ("ben", "ben's")] * 3) == [Accepted(USER), Accepted("ben")] * 3
    told = slapd.log()[begun:]
    assert told.count(f'BIND dn="{ADMIN}" method=128') == 1
    assert told.count(f'BIND dn="cn={USER},{BASE}" method=128') == 3


def test_a_server_that_dies_between_is_for_now(tmp_path: Path) -> None:
    one = Slapd(ENTRIES)
    try:
        path = _file(tmp_path, one.url)

        async def asked() -> list[Verdict]:
            directory = _open(path, [])
            question = IsPassword(USER, Secret(PASSWORD))
            first = await directory.check(question, ATTEMPT)
            one.kill()
            second = await directory.check(question, ATTEMPT)
            one.start()
            return [first, second, await directory.check(question, ATTEMPT)]

        first, second, third = asyncio.run(asked())
        assert (first, third) == (Accepted(USER), Accepted(USER))
        assert isinstance(second, Unavailable)
    finally:
        one.clean()
