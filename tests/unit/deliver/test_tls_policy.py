"""Which security a next hop gets."""

import asyncio

import pytest
from tests.support.settings import default

from gatepost.deliver.dane import Dane, NoDane, Settled
from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts import MtaSts, StsFound
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.deliver.tls_policy import TlsPolicies, TlsPolicy, default_level, keys, parse_policy
from gatepost.lookup.registry import Maps
from gatepost.net.port import TLSA
from gatepost.net.tls_parameters import versions
from gatepost.proto.mta_sts import Mode, StsPolicy
from gatepost.tlsrpt.outcome import PolicyType, ReportedPolicy, ResultType


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


class Domains(MtaSts):
    """Those that have a policy, and who was asked about."""

    def __init__(self, **policies: StsFound) -> None:
        self.policies = policies
        self.asked: list[str] = []

    async def find(self, domain: str) -> StsFound | None:
        self.asked.append(domain)
        return self.policies.get(domain.partition(".")[0])


def domains(*, enforced: bool = True, mx: str = "mx.host.test") -> Domains:
    return Domains(a=StsFound("a.test", StsPolicy(Mode.ENFORCE, 86400, (mx,)), enforced))


def under_sts(sts: Domains, nexthop: str, maps: Maps | None = None, **settings: object) -> TlsPolicy:
    policies = TlsPolicies(default(SmtpSettings, **settings), Dane(default(SmtpSettings), None, print, "smtp"), maps, sts=sts)
    assert not policies.idle
    return asyncio.run(policies.find(nexthop, Host("mx.host.test", "192.0.2.1", 25)))


@pytest.mark.parametrize("level", ["", "none", "may", "encrypt", "verify"])
def test_a_domain_that_has_a_policy_gets_no_less(level: str) -> None:
    found = under_sts(domains(), "a.test", smtp_tls_security_level=level, smtp_tls_mandatory_protocols=">=TLSv1")
    assert (found.level, found.match, found.servername) == (Level.SECURE, ("mx.host.test",), "mx.host.test")
    assert versions(found.protocols) == versions(">=TLSv1.2")
    strings = ("version: STSv1", "mode: enforce", "mx: mx.host.test", "max_age: 86400")
    assert found.reported == ReportedPolicy(PolicyType.STS, "a.test", strings, ("mx.host.test",))


def test_a_domain_whose_policy_is_not_to_be_had_gets_what_all_get_and_reports_say_so() -> None:
    sts = Domains(a=StsFound("a.test", None, lack=ResultType.STS_POLICY_INVALID))
    found = under_sts(sts, "a.test", smtp_tls_security_level="may")
    assert (found.level, found.sts, found.servername) == (Level.MAY, None, "")
    assert found.reported == ReportedPolicy(PolicyType.STS, "a.test", failure=ResultType.STS_POLICY_INVALID)


@pytest.mark.parametrize("level", ["none", "may", "secure", "fingerprint"])
def test_a_domain_without_a_policy_gets_what_all_get(level: str) -> None:
    found = under_sts(domains(), "b.test", smtp_tls_security_level=level)
    assert (found.level.word, found.sts) == (level, None)


def test_a_host_that_is_none_of_the_policy() -> None:
    with pytest.raises(BadTlsPolicy, match=r"host mx\.host\.test is not one of the MTA-STS policy of a\.test") as caught:
        under_sts(domains(mx="*.test"), "a.test")
    assert (caught.value.rule, caught.value.told[0]) == ("smtp_tls_mta_sts", "4.7.5")


@pytest.mark.parametrize(("level", "comes_to"), [("none", Level.MAY), ("may", Level.MAY), ("encrypt", Level.ENCRYPT)])
def test_a_policy_that_is_only_tested_changes_nothing_that_could_fail(level: str, comes_to: Level) -> None:
    found = under_sts(domains(enforced=False, mx="*.test"), "a.test", smtp_tls_security_level=level)
    assert (found.level, found.servername) == (comes_to, "mx.host.test")
    assert versions(found.protocols) == versions(">=TLSv1")


@pytest.mark.parametrize(
    "nexthop", ["[a.test]", "[a.test]:25", "192.0.2.1", "unix:private/lmtp", "", "a", "a..test", "ß" * 70 + ".test"]
)
def test_who_is_not_asked(nexthop: str) -> None:
    """RFC 8461 §3.4: a relay that is named as a host is no mail domain."""
    sts = domains()
    assert under_sts(sts, nexthop).sts is None
    assert sts.asked == []


@pytest.mark.parametrize("nexthop", ["a.test", "A.test:26", "a.test.", "inet:a.test:25"])
def test_who_is_asked(nexthop: str) -> None:
    sts = domains()
    assert under_sts(sts, nexthop).level is Level.SECURE
    assert sts.asked == ["a.test"]


def test_names_are_asked_for_in_their_form_in_the_dns() -> None:
    sts = domains()
    under_sts(sts, "bücher.test")
    assert sts.asked == ["xn--bcher-kva.test"]


@pytest.mark.parametrize("settings", [{"smtp_tls_security_level": "secure"}, {"smtp_tls_security_level": "fingerprint"},
                                      {"smtp_dns_support_level": "disabled"}])  # fmt: skip
def test_what_mta_sts_adds_nothing_to(settings: dict[str, str]) -> None:
    sts = domains()
    assert under_sts(sts, "a.test", **settings).sts is None
    assert sts.asked == []


def test_what_a_table_says_wins() -> None:
    sts = domains()
    maps = Maps((Table(**{"a.test": "none"}),), "smtp_tls_policy_maps", print)
    assert under_sts(sts, "a.test", maps).level is Level.NONE
    assert sts.asked == []
    assert under_sts(sts, "x.a.test", maps).level is Level.NONE
    assert sts.asked == ["x.a.test"]


class DaneSays(Dane):
    def __init__(self, settled: Settled | NoDane) -> None:
        self.settled = settled

    async def settle(self, level: Level, site: str, host: Host) -> Settled:
        if isinstance(self.settled, NoDane):
            raise self.settled
        return self.settled


RECORD = TLSA(3, 1, 1, b"x" * 32)


@pytest.mark.parametrize(
    ("settled", "level"),
    [
        (Settled(Level.DANE, (RECORD,), ("mx.host.test",)), Level.DANE),
        (Settled(Level.HALF_DANE, (RECORD,), ("mx.host.test",)), Level.HALF_DANE),
        (Settled(Level.MAY), Level.SECURE),
        (Settled(Level.ENCRYPT), Level.SECURE),
    ],
)
def test_tlsa_records_that_can_be_used_win(settled: Settled, level: Level) -> None:
    """RFC 8461 §2: MTA-STS overrides no DANE; where there is none, it is not to be the less for that."""
    settings = default(SmtpSettings, smtp_tls_security_level="dane")
    found = asyncio.run(
        TlsPolicies(settings, DaneSays(settled), sts=domains()).find("a.test", Host("mx.host.test", "192.0.2.1", 25))
    )
    assert (found.level, found.records) == (level, settled.records)


def test_of_records_that_nobody_vouches_for_the_policy_decides_which_host() -> None:
    settled = Settled(Level.HALF_DANE, (RECORD,), ("mx.host.test",))
    settings = default(SmtpSettings, smtp_tls_security_level="dane")
    policies = TlsPolicies(settings, DaneSays(settled), sts=domains(mx="other.test"))
    with pytest.raises(BadTlsPolicy):
        asyncio.run(policies.find("a.test", Host("mx.host.test", "192.0.2.1", 25)))


def test_a_dane_failure_is_not_made_good_by_a_policy() -> None:
    settings = default(SmtpSettings, smtp_tls_security_level="dane")
    policies = TlsPolicies(settings, DaneSays(NoDane("TLSA lookup error")), sts=domains())
    with pytest.raises(NoDane):
        asyncio.run(policies.find("a.test", Host("mx.host.test", "192.0.2.1", 25)))


@pytest.mark.parametrize("level", ["none", "may", "encrypt", "secure", "fingerprint", "dane-only"])
def test_mail_that_may_go_without_tls_is_held_to_no_policy(level: str) -> None:
    """TLS-Required: no (RFC 8689): nobody of the other side is asked."""
    sts = domains()
    settings = default(SmtpSettings, smtp_tls_security_level=level)
    lowered = TlsPolicies(settings, DaneSays(NoDane("TLSA lookup error")), sts=sts)
    found = asyncio.run(lowered.find("a.test", Host("mx.host.test", "192.0.2.1", 25), most=Level.MAY))
    assert found.level is (Level.NONE if level == "none" else Level.MAY)
    assert (found.match, found.records, found.sts) == ((), (), None)
    assert sts.asked == []
