"""What the log has of TLS sessions by smtpd_tls_loglevel and its tables, and which client certificates are trusted."""

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.certificate import Certificate, issue, make
from tests.support.settings import default

from gatepost.lookup.port import LookupFailure
from gatepost.net import openssl
from gatepost.net.server_names import ServerNames
from gatepost.net.tls import ServerTls, TlsFacts, TlsServerSettings
from gatepost.receive.starttls import _loglevel


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("server"), "mail.example.test")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, own: Certificate) -> Certificate:
    return issue(tmp_path_factory.mktemp("client"), "client.example.test", own.authority.parent)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("stranger"), "stranger.example.test")


def serve(own: Certificate, names: ServerNames | None = None, **settings: Any) -> ServerTls:
    chain = f"{own.key}, {own.chain}"
    required = {"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": chain, "smtpd_tls_CAfile": str(own.authority)}
    return ServerTls(default(TlsServerSettings, **{**required, **settings}), names=names)


def told(server: ServerTls, shown: Certificate | None, *, name: str | None = None, version: str = "TLSv1_3") -> TlsFacts:
    """What the server knows of a client with this certificate. Raises ssl.SSLError where the handshake fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion[version]
    if shown is not None:
        context.load_cert_chain(shown.chain, shown.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = context.wrap_bio(down, up, server_hostname=name), server.context.wrap_bio(up, down, server_side=True)
    for _ in range(6):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return server.describe(ends[1])


@pytest.mark.parametrize("demand", ["smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_who_is_trusted(own: Certificate, client: Certificate, stranger: Certificate, demand: str, version: str) -> None:
    """The handshake goes on whoever it is; what follows is for the session to say."""
    server = serve(own, **{demand: True})
    assert told(server, client, version=version).trusted
    found = told(server, stranger, version=version)
    assert (found.trusted, found.distrust) == (False, "untrusted issuer /CN=Test authority")
    assert (found.subject, found.issuer) == ("stranger.example.test", "Test authority")
    assert not told(server, None, version=version).fingerprint


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def chained(folder: Path, own: Certificate, purpose: str = "") -> Certificate:
    """A certificate by an authority in between, which the client shows as well."""
    between = issue(folder, "between.example.test", own.authority.parent)
    extensions = folder / "authority"
    extensions.write_text("basicConstraints=critical,CA:TRUE\n")
    authority = own.authority.parent
    _run("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", authority / "ca.pem", "-CAkey", authority / "ca.key",
         "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", folder / "ca.pem")  # fmt: skip
    (folder / "ca.key").write_bytes(between.key.read_bytes())
    shown = issue(folder / "shown", "chained.example.test", folder)
    if purpose:
        extensions.write_text(f"extendedKeyUsage={purpose}\n")
        _run("openssl", "x509", "-req", "-in", folder / "shown" / "request.pem", "-CA", folder / "ca.pem", "-CAkey",
             folder / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", shown.chain)  # fmt: skip
    shown.chain.write_bytes(shown.chain.read_bytes() + (folder / "ca.pem").read_bytes())
    return shown


def test_a_chain_is_trusted_too_but_not_beyond_its_depth(own: Certificate, tmp_path: Path) -> None:
    shown = chained(tmp_path, own)
    assert told(serve(own, smtpd_tls_ask_ccert=True), shown).trusted
    assert not told(serve(own, smtpd_tls_ask_ccert=True, smtpd_tls_ccert_verifydepth=0), shown).trusted


def test_without_openssl_the_handshake_itself_insists(
    own: Certificate, client: Certificate, stranger: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python whose OpenSSL cannot be asked: whoever has a good certificate still comes in, and nobody else."""
    monkeypatch.setattr(openssl, "library", lambda: None)
    server = serve(own, smtpd_tls_req_ccert=True)
    assert "this Python can take only client certificates that verify" in "".join(server.warnings)
    assert told(server, client).trusted
    with pytest.raises(ssl.SSLError):
        told(server, stranger)
    assert not told(server, None).trusted


def test_a_certificate_for_servers_alone_is_trusted_where_that_is_said(own: Certificate, tmp_path: Path) -> None:
    shown = chained(tmp_path, own, "serverAuth")
    found = told(serve(own, smtpd_tls_ask_ccert=True), shown)
    assert (found.trusted, found.distrust) == (False, "num=26:unsuitable certificate purpose")
    assert told(serve(own, smtpd_tls_ask_ccert=True, tls_trust_server_ccerts=True), shown).trusted


def test_trust_is_the_same_under_another_name_of_ours(own: Certificate, client: Certificate, stranger: Certificate) -> None:
    """tls_server_sni_maps changes our certificate, and nothing of whom we believe or what the log is told."""
    other = f"{stranger.key}, {stranger.chain}"
    names = ServerNames(lambda key: other if key == "other.test" else None, lambda text: None)
    server = serve(own, names, smtpd_tls_ask_ccert=True, smtpd_tls_loglevel=2)
    assert told(server, client, name="other.test").trusted
    assert not told(server, stranger, name="other.test").trusted
    assert len(told(server, client, name="other.test").states) == len(told(server, client, name="nobody.test").states) > 5


def test_what_level_2_says_of_a_certificate(own: Certificate, client: Certificate) -> None:
    found = told(serve(own, smtpd_tls_ask_ccert=True, smtpd_tls_loglevel=2), client)
    assert found.names == ("/CN=client.example.test", "/CN=Test authority")
    assert found.states[0] == "SSL_accept:before SSL initialization"
    assert told(serve(own, smtpd_tls_loglevel=1), client).states == ()


LEVELS = {"client.test": "2", "192.0.2.9": "3", "loud.test": "loud"}


@pytest.mark.parametrize(
    ("name", "address", "level"),
    [
        ("client.test", "192.0.2.9", 2),
        ("unknown", "192.0.2.9", 3),
        ("other.test", "192.0.2.1", 1),
        ("loud.test", "192.0.2.9", 1),
        ("broken.test", "192.0.2.9", 1),
    ],
)
def test_log_levels_by_name_and_address(name: str, address: str, level: int) -> None:
    """A value that is no number, and a table that cannot answer, leave it at smtpd_tls_loglevel."""

    async def find(key: str) -> str | None:
        if key == "broken.test":
            raise LookupFailure(key, "broken")
        return LEVELS.get(key)

    facts = SimpleNamespace(client_name=name, client_address=address)
    ports = SimpleNamespace(lookups=SimpleNamespace(tls_loglevel=find))
    state: Any = SimpleNamespace(facts=facts, ports=ports, settings=SimpleNamespace(smtpd_tls_loglevel=1))
    assert asyncio.run(_loglevel(state)) == level
    ports.lookups.tls_loglevel = None
    assert asyncio.run(_loglevel(state)) == 1
