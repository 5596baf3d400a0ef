"""Lists that match, as postconf(5) tells of mydestination, relay_domains and mynetworks."""

from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables

TABLES = Tables(pytest.fail)


def domains(value: str, *, parents: bool = False) -> MatchList:
    return MatchList.domains(value, TABLES, "relay_domains", pytest.fail, parents=parents)


def addresses(value: str) -> MatchList:
    return MatchList.addresses(value, TABLES, "mynetworks", pytest.fail)


@pytest.mark.parametrize(
    ("value", "parents", "name", "listed"),
    [
        ("example.test, localhost", False, "EXAMPLE.test", True),
        ("example.test, localhost", False, "sub.example.test", False),
        ("example.test", True, "sub.example.test", True),
        ("example.test", True, "badexample.test", False),
        (".example.test", False, "sub.example.test", True),
        (".example.test", False, "example.test", False),
        ("!a.example.test example.test", True, "a.example.test", False),
        ("!a.example.test example.test", True, "b.example.test", True),
        ("example.test !a.example.test", True, "a.example.test", True),
        ("inline:{example.test=x}", True, "a.b.example.test", True),
        ("inline:{.example.test=x}", False, "a.b.example.test", True),
        ("inline:{example.test=x}", False, "a.example.test", False),
        ("regexp:{{/^example/ x}}", False, "a.example.test", False),
        ("!inline:{a.test=x} static:all", False, "a.test", False),
        ("!inline:{a.test=x} static:all", False, "b.test", True),
        ("", False, "a.test", False),
    ],
)
def test_domains(value: str, parents: bool, name: str, listed: bool) -> None:
    assert drive(domains(value, parents=parents).matches(name)) is listed


@pytest.mark.parametrize(
    ("value", "address", "listed"),
    [
        ("127.0.0.0/8 [::1]/128", "127.0.0.9", True),
        ("127.0.0.0/8 [::1]/128", "::1", True),
        ("127.0.0.0/8 [::1]/128", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.0/8 [::1]/128", "10.0.0.1", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("!192.0.2.1, 192.0.2.0/24", "192.0.2.1", False),
        ("!192.0.2.1, 192.0.2.0/24", "192.0.2.2", True),
        ("cidr:{{192.0.2.0/24 x}}", "192.0.2.2", True),
        ("inline:{192.0.2.2=x}", "192.0.2.2", True),
    ],
)
def test_addresses(value: str, address: str, listed: bool) -> None:
    networks = addresses(value)
    for _ in range(2):
        assert drive(networks.matches(address)) is listed


def test_hosts_by_name_or_address() -> None:
    networks = addresses("!bad.test .test 192.0.2.0/24")
    assert not drive(networks.matches_host("bad.test", "192.0.2.1"))
    assert drive(networks.matches_host("good.test", "10.0.0.1"))
    assert drive(networks.matches_host("unknown", "192.0.2.1"))
    assert drive(addresses("192.0.2.0/24").matches_host("unknown", "192.0.2.1"))


def test_files(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# ours\na.test b.test\n!c.test\n")
    listed = domains(f"{tmp_path}/list d.test")
    assert [drive(listed.matches(f"{x}.test")) for x in "abcde"] == [True, True, False, True, False]
    unlisted = domains(f"!{tmp_path}/list a.test")
    assert [drive(unlisted.matches(f"{x}.test")) for x in "ac"] == [False, True]


def test_strings() -> None:
    users = MatchList.strings("root, static:{}", Tables(lambda _: None), "authorized_flush_users", lambda _: None)
    assert drive(users.matches("Root"))


def test_what_cannot_be_read_fails_every_question_after_it(tmp_path: Path) -> None:
    missing = f"open file {tmp_path}/none: No such file or directory"
    for value, table, said in (
        (f"a.test {tmp_path}/none", f"non-existent:{tmp_path}/none", [f"non-existent:{tmp_path}/none is unavailable. {missing}"]),
        ("a.test fail:x", "fail:x", []),
    ):
        heard: list[str] = []
        tables = Tables(pytest.fail, heard.append)
        lists = [MatchList.domains(value, tables, title, heard.append) for title in ("relay_domains", "mydestination")]
        assert heard == ([missing] if said else [])  # once, however many lists name it
        heard.clear()
        assert drive(lists[1].matches("a.test"))
        with pytest.raises(LookupFailure):
            drive(lists[1].matches("b.test"))
        assert heard == [*said, f"mydestination: {table}: table lookup problem"]


def test_a_bad_network_is_named() -> None:
    warnings: list[str] = []
    networks = MatchList.addresses("10.0.0.1/8", TABLES, "mynetworks", warnings.append)
    assert warnings == ['mynetworks: non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead']
    with pytest.raises(LookupFailure):
        drive(networks.matches("10.0.0.1"))


def test_a_list_that_includes_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{tmp_path}/list\n")
    listed = MatchList.domains(f"{tmp_path}/list", Tables(lambda _: None), "mydestination", lambda _: None)
    with pytest.raises(LookupFailure):
        drive(listed.matches("a.test"))
