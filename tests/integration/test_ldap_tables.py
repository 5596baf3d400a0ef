"""ldap: beside Postfix's own postmap(1) on the same slapd, and with servers that die, TLS and logins."""

import asyncio
import re
import smtplib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatepost.lookup.port import LookupFailure, Table
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from tests.integration.slapd import ADMIN, BASE, PASSWORD, Slapd, person
from tests.integration.system import System
from tests.support.running import wait_for
from tests.support.settings import CONFIGURATION

_U = f"ldap:///{BASE}"
ENTRIES = [
    person("anna", mailacceptinggeneralid=["anna@example.com", "a.nna@example.com"], maildrop=["anna@store.test"]),
    person("berta", mailacceptinggeneralid=["berta@example.com"], maildrop=["berta@store.test", "berta", "@odd.test", "odd@"]),
    person("a,b+c", mailacceptinggeneralid=["a,b+c@example.com"], maildrop=["comma@store.test"]),
    person("#x", mailacceptinggeneralid=["#x@example.com"], maildrop=["hash@store.test"]),
    person("team", mailacceptinggeneralid=["team@example.com"], memberdn=[f"cn={x},{BASE}" for x in ("anna", "berta", "gone")]),
    person("nested", mailacceptinggeneralid=["nested@example.com"], memberdn=[f"cn=team,{BASE}"], description=["nested@list.test"]),
    person("self", mailacceptinggeneralid=["self@example.com"], memberdn=[f"cn=self,{BASE}"]),
    person("one", mailacceptinggeneralid=["cycle@example.com"], memberdn=[f"cn=two,{BASE}", f"cn=one,{BASE}"]),
    person("two", memberdn=[f"cn=one,{BASE}", f"cn=two,{BASE}"]),
    person("term", mailacceptinggeneralid=["term@example.com"], memberdn=[f"cn=anna,{BASE}"], maildrop=["term@store.test"]),
    person("url", mailacceptinggeneralid=["url@example.com"], memberurl=[f"{_U}?maildrop?sub?(|(cn=anna)(cn=a%2cb%2bc))"]),
    person("urls", mailacceptinggeneralid=["urls@example.com"], memberurl=[f"{_U}??sub?(cn=term)", f"ldap:///cn=berta,{BASE}"]),
    person("badurl", mailacceptinggeneralid=["badurl@example.com"], memberurl=[f"{_U}?telephonenumber?sub?(cn=anna)"]),
    person("empty", mailacceptinggeneralid=["empty@example.com"]),
]  # fmt: skip
KEYS = (
    "anna@example.com", "ANNA@EXAMPLE.COM", "berta@example.com", "a,b+c@example.com", "#x@example.com", "empty@example.com",
    "nobody@example.com", "anna", "@example.com", "anna@", "a*@example.com", "anna@sub.example.com", "anna@example.org",
    "x)(cn=anna",
)  # fmt: skip
GROUPS = tuple(f"{name}@example.com" for name in ("anna", "team", "nested", "self", "term", "url", "urls", "badurl", "nobody"))
FEW = ("anna@example.com", "nobody@example.com", "anna")
"""Where Postfix has no answer for most keys, it has to be started for each."""


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    one = Slapd(ENTRIES)
    yield one
    one.clean()


def file(folder: Path, slapd: Slapd, more: str = "") -> Path:
    """A table's file; `more` replaces what is usual."""
    usual = {"server_host": slapd.url, "search_base": BASE, "timeout": "2"}
    settings = usual | dict(re.findall(r"(\w+) *= *(.*)", more))
    path = folder / "table.cf"
    path.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    return path


def ours(spec: str, *keys: str, warnings: list[str] | None = None) -> list[str | None]:
    """What we find; `failure` where there is no answer."""

    async def ask() -> list[str | None]:
        main = CONFIGURATION.with_settings({"helper_failure_limit": "0"})
        tables = Tables((warnings if warnings is not None else []).append, strict=True, access=ServerAccess(lambda: main))
        table = tables.open(spec)
        found = [await _answer(table, key) for key in keys]
        tables.close()
        return found

    return asyncio.run(ask())


async def _answer(table: Table, key: str) -> str | None:
    try:
        return await table.lookup(key)
    except LookupFailure:
        return "failure"


def theirs(spec: str, *keys: str) -> list[str | None]:
    """What Postfix's postmap finds."""
    at_once = subprocess.run(
        ["/usr/sbin/postmap", "-q", "-", spec], input="\n".join(keys), capture_output=True, text=True, timeout=60
    )
    if "fatal:" not in at_once.stderr:
        found = dict(line.split("\t", 1) for line in at_once.stdout.splitlines())
        return [found.get(key) for key in keys]
    return [_their(spec, key) for key in keys]


def _their(spec: str, key: str) -> str | None:
    done = subprocess.run(["/usr/sbin/postmap", "-q", key, spec], capture_output=True, text=True, timeout=60)
    return "failure" if "fatal:" in done.stderr else done.stdout.rstrip("\n") or None


_GROUPS = "special_result_attribute = memberdn, memberurl\n"
PLAIN = (
    "",
    "result_attribute = maildrop, description",
    "query_filter = (&(objectClass=mailUser)(mailacceptinggeneralid=%s))\nresult_format = smtp:[%d]",
    "query_filter = (cn=%u)\nresult_format = %u@%D",
    "query_filter = (cn=%u)\nresult_filter = %U/%s",
    "query_filter = (mailacceptinggeneralid=%u@%d)\nresult_format = %1.%2:%%%s",
    "query_filter = (mailacceptinggeneralid=%s)\nresult_format = %3 %s",
    "domain = example.com",
    "domain = example.org, inline:{example.com=x}",
    f"search_base = cn=%u,{BASE}\nquery_filter = (objectClass=*)\nscope = base",
    f"search_base = cn=%u,{BASE}\nquery_filter = (mailacceptinggeneralid=%s)\nscope = one",
    "search_base = dc=%2,dc=%1\nscope = one",
    "scope = one",
    "scope = base",
    "scope = nonsense",
    "expansion_limit = 4",
    "size_limit = 1",
    "result_attribute = MailDrop",
    "result_attribute = nosuchattribute",
    f"bind = yes\nbind_dn = {ADMIN}\nbind_pw = {PASSWORD}",
    "bind = no",
    "bind = none\nversion = 3\ndereference = 3\nchase_referrals = yes",
    "version = 9\ndereference = 7",
    "cache = yes\ncache_size = 100",
)
WITH_GROUPS = (
    "",
    "recursion_limit = 1",
    "recursion_limit = 2",
    "recursion_limit = 3\nexpansion_limit = 2",
    "result_attribute =\nterminal_result_attribute = maildrop",
    "result_attribute = description\nleaf_result_attribute = maildrop",
    "result_attribute = description\nleaf_result_attribute = cn\nterminal_result_attribute = maildrop",
    "result_attribute =\nleaf_result_attribute = mailacceptinggeneralid maildrop",
    "chase_referrals = yes",
)
FAILING = (
    "search_base = dc=nowhere,dc=com",
    "search_base = no name",
    "query_filter = (mailacceptinggeneralid=%s",
    "query_filter = (mailacceptinggeneralid=*)\nsize_limit = 2",
    f"bind = simple\nbind_dn = {ADMIN}\nbind_pw = wrong",
    "version = 2\nbind = yes",
    "expansion_limit = 0\nquery_filter = (cn=berta)",
    "expansion_limit = 1\nquery_filter = (cn=berta)",
)
CASES = (
    *((more, KEYS) for more in PLAIN),
    *((_GROUPS + more, GROUPS) for more in WITH_GROUPS),
    *((more, FEW) for more in FAILING),
)


@pytest.mark.parametrize(("more", "keys"), CASES)
def test_as_postfix(slapd: Slapd, tmp_path: Path, more: str, keys: tuple[str, ...]) -> None:
    spec = f"ldap:{file(tmp_path, slapd, more)}"
    assert dict(zip(keys, ours(spec, *keys), strict=True)) == dict(zip(keys, theirs(spec, *keys), strict=True))


WAYS = {
    "a name and server_port": "server_host = localhost\nserver_port = {port}",
    "a name with a port": "server_host = 127.0.0.1:{port}",
    "the second of two names": "server_host = 127.0.0.1:{gone} 127.0.0.1\nserver_port = {port}",
    "the second of two URLs": "server_host = ldap://127.0.0.1:{gone}, ldap://127.0.0.1:{port}/",
    "a UNIX-domain socket": "server_host = ldapi://{path}",
    "TLS from the start": "server_host = ldaps://127.0.0.1:{secure}\ntls_require_cert = yes\ntls_ca_cert_file = {ca}",
    "STARTTLS": "server_host = ldap://127.0.0.1:{port}\nstart_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = {ca}",
    "STARTTLS, unverified": "server_host = ldap://127.0.0.1:{port}\nstart_tls = yes",
    "SASL EXTERNAL": "server_host = ldapi://{path}\nbind = sasl\nsasl_mechs = EXTERNAL\nversion = 3",
}
NO_WAYS = {
    "no server": "server_host = 127.0.0.1:{gone} localhost:{gone}",
    "another name than the certificate's": "server_host = ldap://localhost:{port}\nstart_tls = yes\ntls_require_cert = yes\n"
    "tls_ca_cert_file = {ca}",
    "an authority that nobody knows": "server_host = ldaps://127.0.0.1:{secure}\ntls_require_cert = yes",
    "an authority that is not there": "server_host = ldaps://127.0.0.1:{secure}\ntls_require_cert = yes\n"
    "tls_ca_cert_file = /no/such",
    "STARTTLS within TLS": "server_host = ldaps://127.0.0.1:{secure}\nstart_tls = yes",
    "no such mechanism": "bind = sasl\nsasl_mechs = NO-SUCH",
    "ciphers that there are not": "server_host = ldaps://127.0.0.1:{secure}\ntls_cipher_suite = NO-SUCH-CIPHER",
}


def way(folder: Path, slapd: Slapd, text: str) -> str:
    """A table that goes such a way to the server."""
    path = str(slapd.path).replace("/", "%2F")
    return (
        f"ldap:{file(folder, slapd, text.format(port=slapd.port, secure=slapd.secure_port, gone=1, path=path, ca=slapd.authority))}"
    )


@pytest.mark.parametrize("name", WAYS)
def test_ways_to_a_server(slapd: Slapd, tmp_path: Path, name: str) -> None:
    spec = way(tmp_path, slapd, WAYS[name])
    for ask in (theirs, ours):
        assert ask(spec, "anna@example.com", "nobody@example.com") == ["anna@store.test", None]


@pytest.mark.parametrize("name", NO_WAYS)
def test_no_way_to_a_server(slapd: Slapd, tmp_path: Path, name: str) -> None:
    spec = way(tmp_path, slapd, NO_WAYS[name])
    for ask in (theirs, ours):
        assert ask(spec, "anna@example.com") == ["failure"]


def test_a_login_with_too_little_security(slapd: Slapd, tmp_path: Path) -> None:
    """sasl_minssf; Postfix 3.7 logs in all the same."""
    assert ours(way(tmp_path, slapd, WAYS["SASL EXTERNAL"] + "\nsasl_minssf = 4096"), "anna@example.com") == ["failure"]


class Silent:
    """A server that takes connections and says nothing; with `start_tls`, after it has said yes to that."""

    def __init__(self, start_tls: bool = False) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._start_tls = start_tls
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            self.connections.append(connection)
            if self._start_tls:
                number = connection.recv(1000)[4]
                connection.sendall(bytes([0x30, 12, 2, 1, number, 0x78, 7, 10, 1, 0, 4, 0, 4, 0]))


@pytest.mark.parametrize("scheme", ["ldap", "ldaps", "start_tls"])
def test_a_server_that_says_nothing_keeps_no_thread(tmp_path: Path, scheme: str) -> None:
    """Whoever asks once more than there are threads still reaches the server: perhaps it is back."""
    server = Silent(scheme == "start_tls")
    path = tmp_path / "table.cf"
    path.write_text(
        f"server_host = {'ldaps' if scheme == 'ldaps' else 'ldap'}://127.0.0.1:{server.port}\nsearch_base = {BASE}\ntimeout = 1\n"
        f"start_tls = {'yes' if scheme == 'start_tls' else 'no'}\n"
    )

    async def ask() -> None:
        main = CONFIGURATION.with_settings({"helper_failure_limit": "0"})
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: main))
        table = tables.open(f"ldap:{path}")
        async with asyncio.timeout(30):
            while len(server.connections) < 12:
                answers = await asyncio.gather(*(_answer(table, f"a{number}@example.com") for number in range(4)))
                assert answers == ["failure"] * 4
        tables.close()

    asyncio.run(ask())


def test_groups_that_have_each_other_as_members_end(slapd: Slapd, tmp_path: Path) -> None:
    """Their number doubles with each level; Postfix would need until the end of days."""
    warnings: list[str] = []
    spec = f"ldap:{file(tmp_path, slapd, _GROUPS + 'recursion_limit = 100')}"
    assert ours(spec, "cycle@example.com", warnings=warnings) == ["failure"]
    assert "Recursion limit exceeded" in warnings[-1]


# One worker: each has a breaker of its own, and probes for itself.
MAIN = """\
virtual_mailbox_maps = static:box/
virtual_alias_maps = {proxy}ldap:users
users_server_host = {hosts}
users_search_base = dc=example,dc=com
users_timeout = 2
helper_probe_interval = 1s
worker_processes = 1
"""


def reply(gatepost: System, recipient: str) -> int:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.ehlo("client.example.com")
        client.mail("a@example.net")
        return client.rcpt(recipient)[0]


@pytest.fixture
def two() -> Iterator[tuple[Slapd, Slapd]]:
    entries = [*ENTRIES, person("local", mailacceptinggeneralid=["info@example.test"], maildrop=["anna@example.test"])]
    pair = Slapd(entries), Slapd(entries)
    yield pair
    for one in pair:
        one.clean()


@pytest.mark.parametrize("proxy", ["", "proxy:"])
def test_aliases_of_a_running_gatepost(system: Callable[..., System], two: tuple[Slapd, Slapd], proxy: str) -> None:
    """Two servers: one is killed in mid-run, then the other, then both come back; no mail is refused for good, none is lost."""
    gatepost = system(MAIN.format(proxy=proxy, hosts=" ".join(one.url for one in two))).start()

    def mail(number: int, to: str = "info@example.test") -> None:
        gatepost.send(f"Subject: number {number}.\r\n\r\nx\r\n", to=to)
        message = gatepost.arrival(f"Subject: number {number}.".encode())
        assert b"Delivered-To: anna@example.test" in message or b"X-Original-To: info@example.test" in message

    mail(1)
    two[0].kill()
    mail(2)
    two[1].kill()
    assert reply(gatepost, "info@example.test") == 451
    assert reply(gatepost, "info@example.test") == 451
    for one in two:
        one.start()
    wait_for(lambda: reply(gatepost, "info@example.test") == 250, "an answer again")
    mail(3)
    log = gatepost.log()
    assert "status=bounced" not in log
    for one in two:
        assert re.search(rf"warning: .*ldap:users: server {re.escape(one.url)}: Can't contact LDAP server", log)
    assert 'ldap:users lookup error for "info@example.test"' in log


def test_starttls_from_behind_the_walls(system: Callable[..., System], two: tuple[Slapd, Slapd]) -> None:
    """The worker reads the certificate of the authority when it connects; only the table's own file says where it is."""
    more = f"start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = {two[0].authority}\n"
    more += f"bind_dn = {ADMIN}\nbind_pw = {PASSWORD}"
    (folder := two[1].folder / "tables").mkdir(mode=0o755)
    table = file(folder, two[0], more)
    gatepost = system(f"virtual_mailbox_maps = static:box/\nvirtual_alias_maps = ldap:{table}\nworker_processes = 1\n").start()
    assert reply(gatepost, "info@example.test") == 250
    two[0].kill()
    two[0].start()
    assert reply(gatepost, "info@example.test") == 250
    assert re.findall("(?i)starttls|TLS established", two[0].log())
    assert PASSWORD not in gatepost.log()


def test_a_server_that_hangs_holds_up_nobody_else(system: Callable[..., System], two: tuple[Slapd, Slapd]) -> None:
    main = MAIN.format(proxy="", hosts=two[0].url) + "users_domain = example.test\n"
    gatepost = system(main).start()
    assert reply(gatepost, "info@example.test") == 250
    two[0].pause()
    assert reply(gatepost, "info@example.test") == 451
    two[0].pause(False)
    wait_for(lambda: reply(gatepost, "info@example.test") == 250, "an answer again")
