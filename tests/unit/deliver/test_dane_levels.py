"""What DANE comes to, answer by answer (RFC 7672)."""

import asyncio
import hashlib
from collections.abc import Mapping

import pytest
from tests.support.settings import default

from gatepost.deliver.dane import Dane, NoDane, Settled
from gatepost.deliver.dnssec_probe import ProbedSource
from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.net.port import MX, SRV, TLSA, Answer, NotFound, TryAgain

GOOD = TLSA(3, 1, 1, hashlib.sha256(b"key").digest())
PKIX = TLSA(1, 1, 1, hashlib.sha256(b"key").digest())
HOST = Host("mx.a.test", "192.0.2.1", 25)


def answer(*values: object, owner: str = "", secure: bool = True) -> Answer:
    return Answer(values, owner, 60, 0.0, secure)


SECURE = {
    ("a.test", "MX"): answer(MX(10, "mx.a.test"), owner="a.test"),
    ("mx.a.test", "A"): answer("192.0.2.1", owner="mx.a.test"),
    ("_25._tcp.mx.a.test", "TLSA"): answer(GOOD, owner="_25._tcp.mx.a.test"),
}


class Zone:
    """A SecureSource; None: the name server fails."""

    def __init__(self, records: Mapping[tuple[str, str], Answer | None]) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []

    async def answer(self, name: str, record: str) -> Answer:
        self.asked.append((name, record))
        found = self.records.get((name.lower(), record), NotFound(name, record, "", exists=False))
        if found is None:
            raise TryAgain(name, record, "SERVFAIL")
        if isinstance(found, NotFound):
            raise found
        return found


def settle(
    changed: Mapping[tuple[str, str], Answer | None] | None = None,
    level: Level = Level.DANE,
    site: str = "a.test",
    host: Host = HOST,
    said: "list[str] | None" = None,
    **settings: object,
) -> Settled:
    zone = Zone({**SECURE, **(changed or {})})
    found = default(SmtpSettings, **{"smtp_tls_security_level": "dane", **settings})  # type: ignore[arg-type]
    dane = Dane(found, zone, lambda event: said.append(event.text) if said is not None else None, "smtp")  # type: ignore[attr-defined]
    return asyncio.run(dane.settle(level, site, host))


MX_INSECURE = {("a.test", "MX"): answer(MX(10, "mx.a.test"), owner="a.test", secure=False)}
MX_OTHER = {("a.test", "MX"): answer(MX(10, "evil.test"), owner="a.test")}
A_INSECURE = {("mx.a.test", "A"): answer("192.0.2.1", owner="mx.a.test", secure=False)}
TLSA_INSECURE = {("_25._tcp.mx.a.test", "TLSA"): answer(GOOD, secure=False)}
UNUSABLE = {("_25._tcp.mx.a.test", "TLSA"): answer(PKIX)}
NONE = {("_25._tcp.mx.a.test", "TLSA"): NotFound("", "TLSA", "", exists=False)}
FAILS = [{("a.test", "MX"): None}, {("mx.a.test", "A"): None}, {("_25._tcp.mx.a.test", "TLSA"): None}]


def test_all_is_vouched_for() -> None:
    assert settle() == Settled(Level.DANE, (GOOD,), ("mx.a.test", "a.test"))
    assert settle(level=Level.DANE_ONLY).level is Level.DANE_ONLY


@pytest.mark.parametrize(
    ("changed", "level", "reason"),
    [
        (MX_INSECURE, Level.HALF_DANE, "non DNSSEC destination"),
        (MX_OTHER, Level.HALF_DANE, "non DNSSEC destination"),  # the plan's answer was another one, by whoever
        (A_INSECURE, Level.MAY, "no TLSA records found"),
        (TLSA_INSECURE, Level.MAY, "no TLSA records found"),
        (NONE, Level.MAY, "no TLSA records found"),
        (UNUSABLE, Level.ENCRYPT, "TLSA records unusable"),
    ],
)
def test_where_less_is_vouched_for(changed: Mapping[tuple[str, str], Answer | None], level: Level, reason: str) -> None:
    assert settle(changed).level is level
    with pytest.raises(NoDane, match=reason):
        settle(changed, Level.DANE_ONLY)


@pytest.mark.parametrize("changed", FAILS)
@pytest.mark.parametrize("level", [Level.DANE, Level.DANE_ONLY])
def test_an_answer_that_does_not_come_is_not_none(changed: Mapping[tuple[str, str], Answer | None], level: Level) -> None:
    with pytest.raises(NoDane, match=r"^TLSA lookup error for mx\.a\.test:25$"):
        settle(changed, level)


@pytest.mark.parametrize(("word", "level"), [("may", Level.MAY), ("encrypt", Level.ENCRYPT), ("dane", Level.HALF_DANE)])
def test_exchangers_that_nothing_vouches_for(word: str, level: Level) -> None:
    assert settle(MX_INSECURE, smtp_tls_dane_insecure_mx_policy=word).level is level


def test_where_an_alias_leads_to_comes_first() -> None:
    aliased = {("mx.a.test", "A"): answer("192.0.2.1", owner="real.test"), ("_25._tcp.real.test", "TLSA"): answer(GOOD)}
    assert settle(aliased).names == ("real.test", "a.test")
    del aliased["_25._tcp.real.test", "TLSA"]
    assert settle(aliased).names == ("mx.a.test", "a.test")


def test_a_host_that_was_not_vouched_for_may_be_asked_for_all_the_same() -> None:
    assert settle(A_INSECURE, smtp_tls_force_insecure_host_tlsa_lookup=True).level is Level.DANE


@pytest.mark.parametrize("site", ["[mx.a.test]", "[mx.a.test]:25"])
def test_a_host_that_is_named_itself(site: str) -> None:
    assert settle(MX_INSECURE, site=site) == Settled(Level.DANE, (GOOD,), ("mx.a.test",))


def test_hosts_by_service() -> None:
    records = {("_submission._tcp.a.test", "SRV"): answer(SRV(0, 0, 25, "mx.a.test"), owner="_submission._tcp.a.test")}
    found = settle(records, site="a.test:submission", use_srv_lookup=("submission",))
    assert found.level is Level.DANE


def test_an_address_has_no_records() -> None:
    assert settle(site="[192.0.2.1]", host=Host("192.0.2.1", "192.0.2.1", 25)).level is Level.MAY


def test_parameters_that_stand_against_it() -> None:
    said: list[str] = []
    assert settle(ignore_mx_lookup_error=True, said=said) == Settled(Level.MAY)
    assert said == ["a.test: dane configured with MX lookup errors ignored"]
    with pytest.raises(NoDane, match="client TLS configuration problem"):
        settle(level=Level.DANE_ONLY, ignore_mx_lookup_error=True)
    with pytest.raises(NoDane, match="client TLS configuration problem"):
        settle(host=Host("localhost", "/run/socket"), said=said)
    with pytest.raises(BadTlsPolicy, match="smtp_tls_dane_insecure_mx_policy"):
        settle(smtp_tls_dane_insecure_mx_policy="secure")


def test_unusable_records_are_told_of() -> None:
    said: list[str] = []
    settle(UNUSABLE, said=said)
    assert said == [f"_25._tcp.mx.a.test unsupported TLSA certificate usage: {PKIX}"]


def test_a_stranger_does_not_fill_the_log() -> None:
    said: list[str] = []
    many = answer(*(TLSA(3, 1, 7, bytes([number]) * 60_000) for number in range(100)))
    settle({("_25._tcp.mx.a.test", "TLSA"): many}, said=said)
    assert len(said) == 11
    assert max(map(len, said)) < 256


@pytest.mark.parametrize(
    ("probe", "records", "said"),
    [
        ("ns:.", {}, ["DNSSEC validation may be unavailable", "reason: dnssec_probe 'ns:.' received no response: "]),
        ("ns:.", {(".", "NS"): answer("a")}, []),
        ("", {}, []),
    ],
)
def test_the_probe_is_asked_once(probe: str, records: Mapping[tuple[str, str], Answer | None], said: list[str]) -> None:
    zone, told = Zone({**records, **A_INSECURE}), list[str]()
    source = ProbedSource(zone, probe, told.append)

    async def twice() -> None:
        await source.answer("mx.a.test", "A")
        await source.answer("mx.a.test", "A")

    asyncio.run(twice())
    assert told == said
    assert zone.asked.count((".", "NS")) == bool(probe)
