"""Lists that match, as postconf(5) tells of mydestination, relay_domains and mynetworks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.drive import drive

from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables

TABLES = Tables(pytest.fail)


def domains(value: str, *, parents: bool = False) -> MatchList:
    return MatchList.domains(value, TABLES, "relay_domains", pytest.fail, parents=parents)


def addresses(value: str) -> MatchList:
    return MatchList.addresses(value, TABLES, "permit_mx_backup_networks", pytest.fail)


def hosts(value: str, heard: list[str] | None = None) -> MatchList:
    warn = pytest.fail if heard is None else heard.append
    return MatchList.hosts(value, Tables(warn), "mynetworks", warn)


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
    networks = hosts("!bad.test .test 192.0.2.0/24")
    assert not drive(networks.matches("bad.test", "192.0.2.1"))
    assert drive(networks.matches("good.test", "10.0.0.1"))
    assert drive(networks.matches("unknown", "192.0.2.1"))
    assert drive(hosts("192.0.2.0/24").matches("unknown", "192.0.2.1"))


@pytest.mark.parametrize("value", ["192.0.2.9", "192.0.2.0/24", "inline:{.0.2.9=x}"])
def test_a_name_that_looks_like_an_address_is_no_address(value: str) -> None:
    assert not drive(hosts(value).matches("unknown", "10.192.0.2"))
    assert not drive(hosts("198.51.100.0/24").matches("198.51.100.7", "10.0.0.1"))


# What Debian's smtpd answered, with a list as mynetworks, to 127.0.0.1 and to 127.0.0.9: listed, not, or no answer for now.
YES, NO, LATER = True, False, None
HOST_BITS = 'non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead'


@pytest.mark.parametrize(
    ("value", "one", "nine", "said"),
    [
        ("[fe80::1]/10 127.0.0.1", YES, NO, ""),
        ("127.0.0.1 [fe80::1]/10", YES, NO, ""),
        ("[2001:db8::/64] 127.0.0.1", YES, NO, ""),
        ("[2001:db8::/64], 127.0.0.9", NO, YES, ""),
        ('"127.0.0.0/8" 127.0.0.9', NO, YES, ""),
        ('"127.0.0.1"', NO, NO, ""),
        ("'127.0.0.1' 127.0.0.9", NO, YES, ""),
        ("127.0.0.1 10.0.0.1/8", YES, LATER, HOST_BITS),
        ("!10.0.0.1/8 127.0.0.0/8", LATER, LATER, HOST_BITS),
        ("10.0.0.0/33 127.0.0.1", LATER, LATER, 'bad mask length in "10.0.0.0/33"'),
        ("10.0.0.0/ab 127.0.0.1", LATER, LATER, 'bad mask value in "10.0.0.0/ab"'),
        ("127.0.0.1/ 127.0.0.9", LATER, LATER, 'bad mask value in "127.0.0.1/"'),
        ("127/8 127.0.0.9", LATER, LATER, 'bad network value in "127/8"'),
        ("300.0.0.0/8 127.0.0.1", LATER, LATER, 'bad network value in "300.0.0.0/8"'),
        ("127.0.0.0/255.0.0.0 127.0.0.9", LATER, LATER, 'bad mask value in "127.0.0.0/255.0.0.0"'),
        ("localhost.localdomain/8 127.0.0.1", YES, NO, ""),
        ("[127.0.0.1]", YES, NO, ""),
        ("[127.0.0.1]/32", YES, NO, ""),
        ("[127.0.0.1", NO, NO, ""),
        ("127.0.0.1]", NO, NO, ""),
        ("[::ffff:127.0.0.1]", NO, NO, ""),
        ("127.0.0.1/32,,127.0.0.9", YES, YES, ""),
        ("127.0.0.1;127.0.0.9", NO, NO, ""),
        ("127.0.0.1-127.0.0.9 127.0.0.9", NO, YES, ""),
        ("127.0.0.1 # x 127.0.0.9", YES, NO, "comment at end of line is not supported: # x 127.0.0.9"),
        ("127.0.0.* 127.0.0.9", NO, YES, ""),
        ("[fe80::1%eth0]/64 127.0.0.9", NO, YES, ""),
        ("{ 127.0.0.1 }", NO, NO, ""),
        ("127.0.0.1/032 127.0.0.9", YES, YES, ""),
        ("127.0.0.1/+32 127.0.0.9", NO, YES, ""),
        ("127.0.0.01 127.0.0.9", NO, YES, ""),
        ("!!127.0.0.1", YES, NO, ""),
        ("0.0.0.0/0", YES, YES, ""),
    ],
)  # fmt: skip
def test_each_member_counts_for_itself(value: str, one: bool | None, nine: bool | None, said: str) -> None:
    heard: list[str] = []
    networks = hosts(value, heard)
    for address, listed in (("127.0.0.1", one), ("127.0.0.9", nine)):
        if listed is None:
            with pytest.raises(LookupFailure):
                drive(networks.matches("unknown", address))
        else:
            assert drive(networks.matches("unknown", address)) is listed
    assert set(heard) == ({f"mynetworks: {said}"} if said else set())


def test_a_bad_network_is_asked_of_its_own_family_only() -> None:
    for value in ("[fe80::1]/10 [::1]", "[::1 [::1]", "[2001:db8::]9/64 [::1]", "[::1::2] [::1]"):
        assert not drive(hosts(value).matches("unknown", "127.0.0.1"))
        with pytest.raises(LookupFailure):
            drive(hosts(value, []).matches("unknown", "::1"))
    assert drive(hosts("[2001:DB8::/64] [::1]").matches("unknown", "2001:db8::9"))


def test_a_lone_exclamation_mark_lets_nobody_through() -> None:
    heard: list[str] = []
    with pytest.raises(LookupFailure):
        drive(hosts("! 127.0.0.0/8", heard).matches("unknown", "127.0.0.1"))
    assert heard == ["mynetworks: no pattern after '!'"]


@given(st.text(alphabet='127.0/8[]:!#f ,"', max_size=30))
def test_any_list_answers_or_says_why_not(value: str) -> None:
    heard: list[str] = []
    networks = hosts(value, heard)
    for address in ("127.0.0.1", "::1"):
        try:
            assert drive(networks.matches("unknown", address)) in (True, False)
        except LookupFailure:
            assert heard


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


def test_a_list_that_includes_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{tmp_path}/list\n")
    listed = MatchList.domains(f"{tmp_path}/list", Tables(lambda _: None), "mydestination", lambda _: None)
    with pytest.raises(LookupFailure):
        drive(listed.matches("a.test"))
