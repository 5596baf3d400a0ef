"""Which security a next hop gets."""

import asyncio

import pytest
from tests.support.settings import default

from gatepost.deliver.dane import Dane
from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts_patterns import allows
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.deliver.tls_policy import TlsPolicies, TlsPolicy, default_level, keys, parse_policy
from gatepost.lookup.registry import Maps


class Table:
    name = "inline:"
    whole_key = False

    def __init__(self, **rows: str) -> None:
        self.rows = rows

    async def lookup(self, key: str) -> str | None:
        return self.rows.get(key)

    def close(self) -> None: ...


def policies(settings: SmtpSettings, maps: Maps | None = None, **others: Maps) -> TlsPolicies:
    return TlsPolicies(settings, Dane(settings, None, print, "smtp"), maps, **others)


def find(nexthop: str, rows: dict[str, str] | None = None, **settings: str) -> TlsPolicy:
    maps = Maps((Table(**rows),), "smtp_tls_policy_maps", print) if rows else None
    return asyncio.run(policies(default(SmtpSettings, **settings), maps).find(nexthop, Host("mx.host.test", "192.0.2.1", 25)))


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({}, Level.NONE),
        ({"smtp_tls_security_level": "may"}, Level.MAY),
        ({"smtp_use_tls": True}, Level.MAY),
        ({"smtp_enforce_tls": True}, Level.VERIFY),
        ({"smtp_enforce_tls": True, "smtp_tls_enforce_peername": False}, Level.ENCRYPT),
        ({"smtp_tls_security_level": "none", "smtp_use_tls": True}, Level.NONE),
    ],
)
def test_default_level(settings: dict[str, object], level: Level) -> None:
    assert default_level(default(SmtpSettings, **settings)) is level  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nexthop", "expected"),
    [
        ("a.b.test", ["a.b.test", ".b.test", ".test"]),
        ("a.b.test:26", ["a.b.test:26", ".b.test", ".test"]),
        ("[a.b.test]:26", ["[a.b.test]:26"]),
        ("unix:private/lmtp", ["unix:private/lmtp"]),
    ],
)
def test_keys(nexthop: str, expected: list[str]) -> None:
    assert keys(nexthop) == expected


@pytest.mark.parametrize("value", ["", "wat", "encrypt match", "encrypt colour=red"])
def test_bad_policies(value: str) -> None:
    with pytest.raises(BadTlsPolicy):
        parse_policy(value)


NEXT_HOP, HOST = "a.test", "mx.host.test"


@pytest.mark.parametrize(
    ("nexthop", "host", "default_is", "level"),
    [
        ("", "", "may", Level.MAY),
        ("NONE", "", "encrypt", Level.NONE),
        ("may", "", "none", Level.MAY),
        ("MAY", "", "secure", Level.SECURE),
        ("MUST_NOPEERMATCH", "", "verify", Level.ENCRYPT),
        ("MUST", "", "none", Level.VERIFY),
        ("NONE", "MAY", "secure", Level.NONE),
        ("MAY", "none", "secure", Level.NONE),
        ("NONE", "MUST", "none", Level.VERIFY),
        ("MUST", "MUST_NOPEERMATCH", "none", Level.VERIFY),
        ("", "MUST_NOPEERMATCH", "none", Level.ENCRYPT),
    ],
)
def test_the_older_table(nexthop: str, host: str, default_is: str, level: Level) -> None:
    """smtp_tls_per_site: VERIFY, ENCRYPT, NONE and MAY in this order of weight; a stricter default counts before MAY."""
    rows = {key: value for key, value in ((NEXT_HOP, nexthop), (HOST, host)) if value}
    maps = Maps((Table(**rows),), "smtp_tls_per_site", print)
    older = policies(default(SmtpSettings, smtp_tls_security_level=default_is), per_site=maps)
    host = Host(HOST, "192.0.2.1", 25)
    assert asyncio.run(older.find(NEXT_HOP, host)).level is level
    assert not older.idle
    newer = policies(default(SmtpSettings), Maps((Table(),), "smtp_tls_policy_maps", print), per_site=maps)
    assert asyncio.run(newer.find(NEXT_HOP, host)).level is Level.NONE


def test_what_a_policy_says_wins() -> None:
    rows = {".b.test": "secure match=x.test:.y.test ciphers=high protocols=TLSv1.3 servername=hostname"}
    policy = find("a.b.test", rows, smtp_tls_security_level="may")
    assert policy == TlsPolicy(Level.SECURE, "TLSv1.3", "high", " ", ("x.test", ".y.test"), "mx.host.test")


def test_names_to_match() -> None:
    assert find("[a.test]:26", smtp_tls_security_level="verify").match == ("mx.host.test",)
    assert find("[a.test]:26", smtp_tls_security_level="secure").match == ("a.test", ".a.test")
    assert find("a.test", {"a.test": "fingerprint match=AA:BB|cc:dd"}).match == ("AA:BB", "cc:dd")
    assert find("a.test", smtp_tls_security_level="may").match == ()


def test_mandatory_parameters() -> None:
    settings = {"smtp_tls_mandatory_protocols": ">=TLSv1.2", "smtp_tls_mandatory_ciphers": "high"}
    assert find("a.test", smtp_tls_security_level="may", **settings).protocols == ">=TLSv1"
    policy = find("a.test", smtp_tls_security_level="encrypt", **settings)
    assert (policy.protocols, policy.ciphers) == (">=TLSv1.2", "high")


@pytest.mark.parametrize(
    ("key", "value", "level"),
    [("mx.host.test", "2", 2), ("next.hop.test", "1", 1), ("other.test", "2", 3), ("mx.host.test", "loud", 3)],
)
def test_log_levels_by_host_and_next_hop(key: str, value: str, level: int) -> None:
    loglevels = Maps((Table(**{key: value}),), "smtp_tls_loglevel_maps", print)
    settings = default(SmtpSettings, smtp_tls_security_level="may", smtp_tls_loglevel=3)
    found = asyncio.run(policies(settings, loglevels=loglevels).find("[next.hop.test]:26", Host("mx.host.test", "192.0.2.1", 26)))
    assert found.loglevel == level


STS = "secure match=.a.test servername=hostname policy_type=sts policy_domain=a.test policy_ttl=86400"
STRINGS = "{ policy_string = version: STSv1 } { policy_string = mode: enforce }"
PATTERNS = f" mx_host_pattern=mx.host.test mx_host_pattern=*.a.test {STRINGS}"


def test_a_policy_of_mta_sts_is_read() -> None:
    level, attributes = parse_policy(STS + PATTERNS)
    assert level is Level.SECURE
    assert attributes["policy_string"] == "version: STSv1\nmode: enforce"
    assert attributes["mx_host_pattern"] == "mx.host.test\n*.a.test"


def test_hosts_of_a_policy_of_mta_sts() -> None:
    found = find("a.test", {"a.test": STS + PATTERNS})
    assert (found.level, found.match, found.servername) == (Level.SECURE, ("mx.host.test",), "mx.host.test")
    with pytest.raises(BadTlsPolicy, match=r"host mx\.host\.test is not one of the MTA-STS policy of a\.test") as caught:
        find("a.test", {"a.test": STS + " mx_host_pattern=*.a.test"})
    assert caught.value.told[0] == "4.7.5"


@pytest.mark.parametrize(
    ("row", "enforced"),
    [
        (STS, True),
        (STS.replace("sts", "other") + PATTERNS, True),
        ((STS + PATTERNS).replace("mx.host.test", "other.test"), False),
    ],
)
def test_where_patterns_are_not_enforced(row: str, enforced: bool) -> None:
    found = find("a.test", {"a.test": row}, smtp_tls_enforce_sts_mx_patterns=enforced)  # type: ignore[arg-type]
    assert found.match == (".a.test",)


@pytest.mark.parametrize(
    ("pattern", "host", "does"),
    [
        ("mx.a.test", "MX.A.test", True),
        ("mx.a.test", "mx2.a.test", False),
        ("*.a.test", "mx.a.test", True),
        ("*.a.test", "x.mx.a.test", False),
        ("*.a.test", "a.test", False),
        ("*.a.test", ".a.test", False),
        ("*.a.test", "mxa.test", False),
        ("", "mx.a.test", False),
    ],
)
def test_patterns(pattern: str, host: str, does: bool) -> None:
    assert allows(pattern, host) is does
