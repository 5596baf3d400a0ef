"""What every table type promises: an answer or None, LookupFailure where it cannot know, and an end that can be repeated."""

import asyncio
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup import indexed, nis
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.registry import TABLE_TYPES, Tables


def _file(directory: Path, text: str) -> str:
    path = directory / "table"
    path.write_text(text, encoding="utf-8")
    return str(path)


def _built(kind: str) -> Callable[[Path], str]:
    def spec(directory: Path) -> str:
        path = _file(directory, "")
        indexed.build(path, {"key": "value"}, 0o644)
        return f"{kind}:{path}"

    return spec


# type -> (how to make one that answers `value` for `key`, whether it has no answer for `other`)
CASES: dict[str, tuple[Callable[[Path], str], bool]] = {
    **{kind: (_built(kind), True) for kind in indexed.POSTFIX_SUFFIX},
    "cidr": (lambda d: f"cidr:{_file(d, '192.0.2.0/24 value')}", True),
    "inline": (lambda d: "inline:{key=value}", True),
    "pcre": (lambda d: f"pcre:{_file(d, '/^(k)ey$/ value')}", True),
    "pipemap": (lambda d: "pipemap:{inline:{key=next} inline:{next=value}}", True),
    "proxy": (lambda d: "proxy:inline:{key=value}", True),
    "randmap": (lambda d: "randmap:{value}", False),
    "regexp": (lambda d: "regexp:{{/^key$/ value}}", True),
    "static": (lambda d: "static:value", False),
    "texthash": (lambda d: f"texthash:{_file(d, 'key value')}", True),
    "unionmap": (lambda d: "unionmap:{inline:{key=value},inline:{x=y}}", True),
}
KEYS = {"cidr": "192.0.2.1"}
# Types without a table of ours to ask: the system's, an empty one, one that fails.
ELSEWHERE = {"environ", "fail", "internal", "nis", "unix"}
# Types that ask a server: tests/integration/test_server_tables.py, test_sqlite.py.
SERVED = {"ldap", "memcache", "mysql", "pgsql", "redis", "socketmap", "sqlite", "tcp"}


def _open(kind: str, directory: Path) -> Table:
    return Tables(pytest.fail, strict=True).open(CASES[kind][0](directory))


def test_every_type_is_under_contract() -> None:
    assert set(CASES) | ELSEWHERE | SERVED == set(TABLE_TYPES)


@pytest.mark.parametrize("kind", CASES)
def test_hit_and_miss(kind: str, tmp_path: Path) -> None:
    table = _open(kind, tmp_path)
    assert drive(table.lookup(KEYS.get(kind, "key"))) == "value"
    if CASES[kind][1]:
        assert drive(table.lookup("other")) is None
        assert drive(table.lookup("")) is None
        assert drive(table.lookup("k" * 5000)) is None
        assert drive(table.lookup("k\udcff")) is None


@pytest.mark.parametrize("kind", CASES)
def test_name_is_as_configured(kind: str, tmp_path: Path) -> None:
    spec = CASES[kind][0](tmp_path)
    assert Tables(pytest.fail, strict=True).open(spec).name == spec


@pytest.mark.parametrize("kind", CASES)
def test_close_may_be_repeated(kind: str, tmp_path: Path) -> None:
    table = _open(kind, tmp_path)
    table.close()
    table.close()


@pytest.mark.parametrize("kind", sorted({"cidr", "pcre", "regexp", "texthash"} | set(indexed.POSTFIX_SUFFIX)))
def test_no_such_file(kind: str, tmp_path: Path) -> None:
    spec = f"{kind}:{tmp_path}/none"
    with pytest.raises(Unavailable, match="No such file or directory"):
        Tables(pytest.fail, strict=True).open(spec)
    errors: list[str] = []
    stand_in = Tables(pytest.fail, errors.append).open(spec)
    assert [error.endswith("No such file or directory") for error in errors] == [True]
    for _ in range(2):
        with pytest.raises(LookupFailure, match="No such file or directory"):
            drive(stand_in.lookup("key"))


def test_fail_fails() -> None:
    with pytest.raises(LookupFailure, match="fail:x: Application error"):
        drive(Tables(pytest.fail, strict=True).open("fail:x").lookup("key"))


def test_a_part_that_fails_fails_the_whole() -> None:
    for spec in ("pipemap:{static:x,fail:y}", "unionmap:{static:x,fail:y}", "proxy:fail:y"):
        with pytest.raises(LookupFailure):
            drive(Tables(pytest.fail, strict=True).open(spec).lookup("key"))


def test_the_system() -> None:
    async def ask(spec: str, key: str) -> str:
        return await Tables(pytest.fail, strict=True).open(spec).lookup(key) or ""

    assert asyncio.run(ask("unix:passwd.byname", "root")) == ":".join(map(str, pwd.getpwnam("root")))
    assert asyncio.run(ask("unix:group.byname", "root")).startswith("root:x:0:")
    assert asyncio.run(ask("unix:passwd.byname", "no such user")) == ""
    assert asyncio.run(ask("internal:x", "key")) == ""


def test_a_host_in_no_nis_domain_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of alias_maps has such a table, in Postfix too: mail to local names must not wait for it."""
    monkeypatch.setattr(nis, "domain", lambda: "")
    warnings: list[str] = []
    assert drive(Tables(warnings.append, strict=True).open("nis:mail.aliases").lookup("root")) is None
    assert warnings == ["dict_nis_init: NIS domain name not set - NIS lookups disabled"]


def test_a_nis_domain_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nis, "domain", lambda: "example")
    with pytest.raises(Unavailable, match=r"unsupported dictionary type: nis \(domain example\)"):
        Tables(pytest.fail, strict=True).open("nis:mail.aliases")


def test_the_nis_domain_is_the_kernels() -> None:
    said = Path("/proc/sys/kernel/domainname").read_text().strip()
    assert nis.domain() == ("" if said == "(none)" else said)


def test_types_that_are_missing_are_known_to_be() -> None:
    from gatepost.config.check import TABLE_TYPES as KNOWN
    from gatepost.config.tables import MISSING_TYPES

    assert KNOWN - set(TABLE_TYPES) == MISSING_TYPES
