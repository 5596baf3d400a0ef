"""TLS sessions are resumed where they began, in any worker, for a while, and on no service that demands more of clients."""

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificate import Certificate, issue, make
from tests.support.settings import default

from gatepost.net import ticket_callback
from gatepost.net.tickets import LEAD, MOST, SECRET, Secret, TicketKeys, Tickets, rotated
from gatepost.net.tls import ServerTls, TlsServerSettings

PERIOD = 3600
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
DEMANDS: dict[str, dict[str, Any]] = {
    "none": {},
    "ask": {"smtpd_tls_ask_ccert": True},
    "require": {"smtpd_tls_req_ccert": True},
}


class Clock:
    """Tells the time it is set to."""

    def __init__(self) -> None:
        self.now = PERIOD * 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "mail.test")


@pytest.fixture(scope="module")
def client_certificate(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Certificate:
    return issue(tmp_path_factory.mktemp("client"), "client.test", certificate.authority.parent)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(certificate: Certificate, clock: Clock) -> Callable[..., ServerTls]:
    """Makes the TLS of a service in one worker."""

    def opened(service: str = "smtp/inet", demand: str = "none", secret: bytes = b"s" * SECRET, **more: Any) -> ServerTls:
        chain = f"{certificate.key}, {certificate.chain}"
        parameters = {
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_chain_files": chain,
            "smtpd_tls_CAfile": str(certificate.authority),
        }
        settings = default(TlsServerSettings, **parameters | DEMANDS[demand] | more)
        return ServerTls(settings, tickets=Tickets(lambda: (Secret(0.0, secret),), service, clock))

    return opened


def _client(version: str, own: Certificate | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    if own is not None:
        context.load_cert_chain(own.chain, own.key)
    return context


def _shake(client: ssl.SSLContext, server: ServerTls, session: ssl.SSLSession | None) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a connection, after some words each way, with which the client gets its ticket."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, session=session)
    theirs = server.context.wrap_bio(there, back, server_side=True)
    left = [ours.do_handshake, theirs.do_handshake]
    for _ in range(20):
        for step in tuple(left):
            try:
                step()
                left.remove(step)
            except ssl.SSLWantReadError:
                pass
    assert not left
    theirs.write(b"220 hello\r\n")
    assert ours.read() == b"220 hello\r\n"
    ours.write(b"QUIT\r\n")
    assert theirs.read() == b"QUIT\r\n"
    return ours, theirs


@pytest.fixture(params=VERSIONS)
def resumed(request: pytest.FixtureRequest) -> Callable[..., bool]:
    """Whether a session of one server is resumed on another."""

    def asked(
        first: ServerTls, second: ServerTls, between: Callable[[], object] = lambda: None, own: Certificate | None = None
    ) -> bool:
        client = _client(request.param, own)
        session = _shake(client, first, None)[0].session
        between()
        return bool(_shake(client, second, session)[1].session_reused)

    return asked


def test_on_the_same_service_in_any_worker(server: Any, resumed: Any) -> None:
    assert resumed(server(), server())


@pytest.mark.parametrize("demand", DEMANDS)
def test_with_whatever_it_demands(server: Any, resumed: Any, demand: str, client_certificate: Certificate) -> None:
    assert resumed(server(demand=demand), server(demand=demand), own=client_certificate)


@pytest.mark.parametrize("first", DEMANDS)
@pytest.mark.parametrize("second", DEMANDS)
def test_not_on_one_that_demands_something_else(
    server: Any, resumed: Any, first: str, second: str, client_certificate: Certificate
) -> None:
    """Nor on another service that demands the same: it may trust others."""
    assert not resumed(server("submission/inet", first), server("smtps/inet", second), own=client_certificate)
    assert resumed(server(demand=first), server(demand=second), own=client_certificate) is (first == second)


def test_whoever_shows_no_certificate_is_not_let_in_by_a_session(server: Any) -> None:
    client = _client("TLSv1.3")
    session = _shake(client, server("smtp/inet"), None)[0].session
    demanding = server("private/inet", "require")
    ours, theirs = _shake(client, demanding, session)
    assert not ours.session_reused
    assert demanding.insists
    assert demanding.describe(theirs).fingerprint == ""  # and so the session of SMTP ends


def test_not_with_another_secret(server: Any, resumed: Any) -> None:
    assert not resumed(server(secret=b"a" * SECRET), server(secret=b"b" * SECRET))


@pytest.mark.parametrize(("seconds", "expected"), [(1, True), (PERIOD, True), (2 * PERIOD, False), (100 * PERIOD, False)])
def test_for_a_period_and_one_more(server: Any, resumed: Any, clock: Clock, seconds: int, expected: bool) -> None:
    def later() -> None:
        clock.now += seconds

    assert resumed(server(), server(), later) is expected


def test_not_at_all_where_sessions_have_no_time(server: Any, resumed: Any) -> None:
    first = server(smtpd_tls_session_cache_timeout=0)
    assert not resumed(first, first)
    assert not resumed(first, server(smtpd_tls_session_cache_timeout=0))


def test_a_fault_of_ours_costs_the_ticket_only(server: Any, resumed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: TicketKeys) -> None:
        raise RuntimeError

    monkeypatch.setattr(TicketKeys, "current", broken)
    assert not resumed(server(), server())


def test_where_openssl_cannot_be_asked_each_process_has_its_own(server: Any, resumed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_callback.openssl, "library", lambda: None)
    one = server()
    assert resumed(one, one)
    assert not resumed(one, server())


def test_keys() -> None:
    clock = Clock()
    keys = TicketKeys(Tickets(lambda: (Secret(0.0, b"s" * SECRET),), "smtp/inet", clock), "none", PERIOD)
    first = keys.current()
    assert (len(first.name), len(first.mac), len(first.cipher)) == (16, 32, 32)
    assert len({first.name, first.mac[:16], first.mac[16:], first.cipher[:16], first.cipher[16:]}) == 5
    assert keys.find(first.name) == (first, False)
    clock.now += PERIOD
    assert keys.find(first.name) == (first, True)
    assert keys.current().name != first.name
    clock.now += PERIOD
    assert keys.find(first.name) == (None, False)
    assert "s" * 8 not in repr(Tickets(lambda: (), "x", clock)) and repr(first) == "TicketKey()"
    assert repr(Secret(1.0, b"s" * SECRET)) == "Secret(1.0)"


def test_keys_of_the_secret_before_are_read_and_their_tickets_made_anew() -> None:
    clock = Clock()
    secrets = (Secret(clock.now - 50, b"a" * SECRET), Secret(clock.now + 50, b"b" * SECRET))
    keys = TicketKeys(Tickets(lambda: secrets, "smtp/inet", clock), "none", PERIOD)
    first = keys.current()
    assert keys.find(first.name) == (first, False)
    clock.now += 50
    second = keys.current()
    assert second.name != first.name
    assert keys.find(first.name) == (first, True)
    assert keys.find(second.name) == (second, False)
    secrets = secrets[1:]
    assert keys.find(first.name) == (None, False)


def test_keys_are_forgotten_with_their_secret_and_their_period() -> None:
    """Whoever sees the memory of a worker reads with them what he has recorded."""
    clock = Clock()
    secrets = [Secret(0.0, b"a" * SECRET), Secret(1.0, b"b" * SECRET)]
    keys = TicketKeys(Tickets(lambda: tuple(secrets), "smtp/inet", clock), "none", PERIOD)
    for _ in range(5):
        keys.find(b"none")
        assert len(keys._keys) == 4
        clock.now += PERIOD
    gone = secrets.pop(0)
    keys.current()
    assert {secret for secret, _ in keys._keys} == {secrets[0].octets} and gone.octets != secrets[0].octets


def test_a_worker_knows_the_next_secret_before_it_begins() -> None:
    """Whatever worker looks: a ticket is read by one that has looked no later than the moment before."""
    secrets: tuple[Secret, ...] = ()
    made = iter(range(256))
    now, age = 1_000_000.0, 600.0
    for _ in range(1000):
        before, now = secrets, now + 7
        secrets = rotated(secrets, now, age, lambda size: bytes((next(made),)) * size)
        assert 1 <= len(secrets) <= MOST
        assert all(now - 2 * age < one.begins <= now + LEAD for one in secrets)
        making = [one for one in secrets if one.begins <= now][-1]
        assert now - making.begins < age
        assert not before or making in before
    assert next(made) <= 14  # one in ten minutes


@pytest.mark.parametrize("known", [(), (Secret(5.0, b"old"),), (Secret(2e9, b"future"),)])
def test_secrets_that_are_too_old_or_of_another_clock_are_forgotten(known: tuple[Secret, ...]) -> None:
    assert rotated(known, 1e6, 3600.0, bytes) == (Secret(1e6, bytes(SECRET)),)


def test_after_a_long_rest_there_is_a_new_secret_at_once() -> None:
    old = Secret(1e6, b"old")
    assert rotated((old,), 1e6 + 5000.0, 3600.0, bytes) == (old, Secret(1e6 + 5000.0, bytes(SECRET)))


def test_a_change_of_who_is_trusted_ends_sessions(server: Any, resumed: Any, tmp_path: Path, certificate: Certificate) -> None:
    """What is resumed is not judged again: an authority that is trusted no more must not let anybody in."""
    authorities = tmp_path / "authorities.pem"
    shutil.copy(certificate.authority, authorities)
    asked = {"demand": "ask", "smtpd_tls_CAfile": str(authorities)}
    assert resumed(server(**asked), server(**asked))
    first = server(**asked)
    authorities.write_bytes(make(tmp_path, "another.test").authority.read_bytes())
    assert not resumed(first, server(**asked))
    assert not resumed(server(**asked), server(**asked, smtpd_tls_ccert_verifydepth=1))
