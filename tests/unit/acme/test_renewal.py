"""Which certificates are taken, when they are renewed, and how long to wait after a failure."""

import base64

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.support.acme_authority import NOW, issued

from gatepost.acme import certificate
from gatepost.acme.certificate import Certificate
from gatepost.acme.port import AcmeFailure
from gatepost.acme.renewal import Attempts, failed, next_attempt, succeeded

KEY, OTHER = certificate.make_key("ecdsa"), certificate.make_key("ecdsa")
DAY = 86400.0
DIRECTORY, REQUEST = "https://ca.test/directory", "digest"


def made(digest: bytes = b"\0\0\0\0") -> Certificate:
    return Certificate(frozenset(("mx.test", "mail.test")), NOW, NOW + 90 * DAY, "CN=issuer", digest)


def due(
    one: Certificate | None, attempts: Attempts = Attempts(), now: float = NOW, domains: tuple[str, ...] = ("mx.test",)
) -> float:
    return next_attempt(one, attempts, REQUEST, DIRECTORY, domains, NOW)


def test_the_file_holds_the_key_and_its_chain() -> None:
    chain = issued(KEY.public_key(), ["MX.test"]) + issued(OTHER.public_key(), ["issuer.test"])
    content = certificate.chain_file(KEY, "Bag Attributes\n" + chain, ["mx.test"], NOW)
    assert content.count(b"PRIVATE KEY") == 2 and content.count(b"BEGIN CERTIFICATE") == 2 and b"Bag" not in content
    found = certificate.read(content)
    assert found and found.domains == {"mx.test"} and found.ends - found.begins == 90 * DAY and found.issuer == "CN=Test issuer"


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        ("", "no certificates"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificates"),
        (issued(OTHER.public_key(), ["mx.test"]), "of another key"),
        (issued(KEY.public_key(), ["other.test"]), "lacks mx.test"),
        (issued(KEY.public_key(), ["mx.test"], NOW - 91 * DAY), "has expired"),
        (issued(KEY.public_key(), ["mx.test"]) * 11, "a chain of 11"),
    ],
)
def test_what_was_not_asked_for_is_not_taken(chain: str, told: str) -> None:
    with pytest.raises(AcmeFailure, match=told):
        certificate.chain_file(KEY, chain, ["mx.test"], NOW)


def odd(old: str, new: str, extension: str = "") -> str:
    """A certificate for mx.test in which octets were changed, and in which `extension` stands in the place of the names."""
    names = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex(extension)) if extension else None
    pem = issued(KEY.public_key(), ["mx.test"], names=names)
    octets = base64.b64decode("".join(pem.splitlines()[1:-1]))
    changed = octets.replace(bytes.fromhex(old), bytes.fromhex(new))
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(changed).decode()}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        (odd("06082a8648ce3d030107", "06082a8648ce3d030177"), "of another key"),  # of no curve
        (odd("06072a8648ce3d0201", "06072a8648ce3d0277"), "of another key"),  # of no kind
        (odd("", "", "01"), "lacks mx.test"),
        (odd("", "", "3004a3020500"), "lacks mx.test"),  # an x400Address
        (odd("0603551d4d", "0603551d11"), "lacks mx.test"),  # names twice
    ],
)
def test_what_is_odd_in_a_certificate_is_the_authority_s_fault(chain: str, told: str) -> None:
    with pytest.raises(AcmeFailure, match=told):
        certificate.chain_file(KEY, chain, ["mx.test"], NOW)


def test_an_authority_s_names_do_nothing_to_a_terminal() -> None:
    chain = odd(b"Test issuer".hex(), b"T\x1b[2Jissuer".hex(), "301282076d782e7465737482071b5b33316d0a78")
    found = certificate.read(certificate.chain_file(KEY, chain, ["mx.test"], NOW))
    assert found and found.domains == {"mx.test", "?[31m?x"} and found.issuer == "CN=T?[2Jissuer"


def test_a_file_without_a_certificate_is_none() -> None:
    assert certificate.read(b"") is None and certificate.read(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----") is None


@given(st.binary(min_size=32, max_size=32))
def test_it_is_renewed_at_two_thirds_of_its_lifetime_or_a_little_before(digest: bytes) -> None:
    assert NOW + 57 * DAY <= made(digest).renewal() <= NOW + 60 * DAY


def test_they_are_not_all_renewed_at_one_time() -> None:
    assert made(b"\0\0\0\0").renewal() - made(b"\xff\xff\xff\xff").renewal() == pytest.approx(3 * DAY, abs=1)


def test_when_the_next_attempt_is() -> None:
    assert due(None) <= NOW
    assert due(made()) == NOW + 60 * DAY
    assert due(made(), succeeded(REQUEST, DIRECTORY, NOW)) == NOW + 60 * DAY
    assert due(made(), succeeded(REQUEST, "https://staging.test/", NOW - 600)) <= NOW, "another authority"
    assert due(made(), domains=("mx.test", "new.test")) <= NOW, "another domain"
    assert due(made(), domains=("mail.test",)) == NOW + 60 * DAY, "one domain less is no reason"


def test_each_failure_waits_twice_as_long_but_no_longer_than_half_a_day() -> None:
    attempts, waits = Attempts(), []
    for _ in range(2000):
        attempts = failed(attempts, REQUEST, "why", NOW, 0.0)
        waits.append(attempts.next - NOW)
    assert waits[:5] == [600, 1200, 2400, 4800, 9600] and max(waits) == waits[-1] == 43200
    assert failed(Attempts(), REQUEST, "why", NOW, 0.999).next - NOW == pytest.approx(720, abs=1)


def test_the_authority_may_ask_for_more() -> None:
    assert failed(Attempts(), REQUEST, "why", NOW, 0.0, 7200).next == NOW + 7200
    assert failed(Attempts(), REQUEST, "why", NOW, 0.0, 60).next == NOW + 600


def test_a_failure_puts_off_what_is_due_and_nothing_else() -> None:
    attempts = failed(Attempts(), REQUEST, "why", NOW, 0.0)
    assert due(None, attempts) == NOW + 600
    assert due(made(), attempts) == NOW + 60 * DAY
    assert next_attempt(None, attempts, "other settings", DIRECTORY, ("mx.test",), NOW) <= NOW
    assert failed(attempts, "other settings", "why", NOW, 0.0).failures == 1


def test_a_success_puts_off_what_is_due_already() -> None:
    """As where the clock is fast by more than the two months after which a certificate is renewed."""
    old = Certificate(frozenset(("mx.test",)), NOW - 89 * DAY, NOW + DAY, "CN=issuer", b"\0\0\0\0")
    assert due(old) <= NOW and due(old, succeeded(REQUEST, DIRECTORY, NOW)) == NOW + 600
    assert next_attempt(old, succeeded(REQUEST, DIRECTORY, NOW), "other settings", DIRECTORY, ("mx.test",), NOW) <= NOW


def test_a_clock_that_was_wrong_makes_nobody_wait_for_years() -> None:
    attempts = failed(Attempts(), REQUEST, "why", NOW + 3650 * DAY, 0.0)
    assert due(None, attempts) <= NOW
