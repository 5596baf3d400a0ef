"""How far REQUIRETLS is insisted on, and what stands against a server (RFC 8689 §4.2)."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.support.settings import default

from gatepost.deliver.requiretls import Insistence, RequireTlsRules, lack
from gatepost.deliver.smtp_settings import LmtpSettings, SmtpSettings, as_smtp
from gatepost.deliver.sts import StsFound
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.deliver.tls_policy import TlsPolicy
from gatepost.lookup.registry import Tables
from gatepost.proto.mta_sts import Mode, StsPolicy

OPEN = "opportunistic"


def find(text: str, site: str, warned: list[str] | None = None) -> Insistence:
    told = [] if warned is None else warned
    return asyncio.run(RequireTlsRules(text, Tables(told.append, told.append), "smtp_requiretls_policy").find(site))


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("example.test", OPEN),
        ("MX.example.test:26", OPEN),
        ("[deep.mx.example.test]", OPEN),
        ("localhost", OPEN),
        ("[127.0.0.1]:10025", OPEN),
        ("[2001:db8::1]", OPEN),
        ("notexample.test", "enforce"),
        ("test", "enforce"),
        ("bücher.test", "enforce"),
    ],
)
def test_by_default_it_is_enforced_but_inside(site: str, expected: str) -> None:
    settings = default(SmtpSettings, mydomain="example.test")
    assert find(settings.smtp_requiretls_policy, site) is Insistence(expected)


def test_by_default_lmtp_servers_may_lack_it() -> None:
    assert find(as_smtp(default(LmtpSettings)).smtp_requiretls_policy, "unix:private/lmtp") is Insistence.OPPORTUNISTIC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "enforce"),
        ("inline:{ x.test=opportunistic }", "enforce"),
        ("opportunistic+starttls", "opportunistic+starttls"),
        ("inline:{ a.test=opportunistic+starttls }, opportunistic", "opportunistic+starttls"),
        ("inline:{ .test=opportunistic } inline:{ a.test=enforce }", OPEN),
        ("opportunistic inline:{ a.test=enforce }", OPEN),
        ("inline:{ xn--bcher-kva.test=enforce } opportunistic", OPEN),
    ],
)
def test_the_first_that_has_a_word_decides(text: str, expected: str) -> None:
    assert find(text, "a.test") is Insistence(expected)


def test_names_are_looked_up_in_a_labels() -> None:
    assert find("inline:{ xn--bcher-kva.test=opportunistic } enforce", "Bücher.test") is Insistence.OPPORTUNISTIC


@pytest.mark.parametrize("text", ["inline:{ a.test=maybe }", "fail:now"])
def test_what_is_no_word_and_a_table_that_cannot_say(text: str) -> None:
    with pytest.raises(BadTlsPolicy) as caught:
        find(text, "a.test")
    assert caught.value.rule == "smtp_requiretls_policy"


NAMED = TlsPolicy(sts=StsFound("a.test", StsPolicy(Mode.ENFORCE, 1, ("mx.a.test",)), enforced=True))
TESTED = TlsPolicy(sts=StsFound("a.test", StsPolicy(Mode.ENFORCE, 1, ("mx.a.test",))))
LEVELS = (Level.NONE, Level.MAY, Level.ENCRYPT, Level.HALF_DANE)


@pytest.mark.parametrize(
    ("asked", "policy", "reached", "offered", "codes"),
    [
        (Insistence.OPPORTUNISTIC, TlsPolicy(), LEVELS, (False, True), {""}),
        (Insistence.STARTTLS, TlsPolicy(), (Level.NONE,), (False, True), {"5.7.10"}),
        (Insistence.STARTTLS, TlsPolicy(), LEVELS[1:], (False, True), {""}),
        (Insistence.ENFORCE, TlsPolicy(), LEVELS, (False, True), {"5.7.10"}),
        (Insistence.ENFORCE, TESTED, LEVELS, (False, True), {"5.7.10"}),
        (Insistence.ENFORCE, NAMED, (Level.HALF_DANE, Level.SECURE), (False,), {"5.7.30"}),
        (Insistence.ENFORCE, NAMED, (Level.HALF_DANE, Level.SECURE), (True,), {""}),
        (
            Insistence.ENFORCE,
            TlsPolicy(),
            (Level.DANE, Level.DANE_ONLY, Level.FINGERPRINT, Level.VERIFY, Level.SECURE),
            (True,),
            {""},
        ),
    ],
)
def test_what_stands_against_a_server(
    asked: Insistence, policy: TlsPolicy, reached: Sequence[Level], offered: Sequence[bool], codes: set[str]
) -> None:
    found = [lack(asked, policy, level, there, "mx.a.test[192.0.2.1]") for level in reached for there in offered]
    assert {"" if outcome is None else outcome.enhanced for outcome in found} == codes
