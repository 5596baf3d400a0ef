"""TLS parameters of both roles: what they mean, and what two ends that obey them agree upon."""

import ctypes
import ssl
from pathlib import Path

import pytest
from tests.support import certificate
from tests.support.settings import default

from gatepost.net import openssl
from gatepost.net.client_tls import ContextSpec, client_context
from gatepost.net.tls import ServerTls, TlsServerSettings
from gatepost.net.tls_parameters import TlsFailure, TlsSettings, restrict, versions

GRADES = default(TlsSettings)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> certificate.Certificate:
    return certificate.make(tmp_path_factory.mktemp("tls"), "mx.test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {0, 1, 2, 3, 4, 5}),
        (">=TLSv1", {2, 3, 4, 5}),
        ("!SSLv2, !SSLv3", {2, 3, 4, 5}),
        ("!SSLv2 !SSLv3 !TLSv1 !TLSv1.1", {4, 5}),
        ("TLSv1.2", {4}),
        (">=TLSv1.2, <=TLSv1.2", {4}),
        ("tlsv1.0:TLSv1.3", {2, 5}),
    ],
)
def test_protocols(text: str, expected: set[int]) -> None:
    assert versions(text) == expected


@pytest.mark.parametrize("text", ["TLSv9", ">TLSv1", ">=TLSv1.3 <=TLSv1.2", "SSLv3"])
def test_bad_protocols(text: str) -> None:
    with pytest.raises(TlsFailure):
        versions(text)


def test_ciphers() -> None:
    assert GRADES.cipher_list("High", "aNULL, MD5:RC4") == "aNULL:-aNULL:HIGH:@STRENGTH:!aNULL:!MD5:!RC4"
    with pytest.raises(TlsFailure, match="invalid TLS cipher grade: best"):
        GRADES.cipher_list("best", "")


def test_a_gap_between_protocols_and_options() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    restrict(context, protocols="TLSv1, TLSv1.3", ciphers="HIGH", options="NO_TICKET, 0x40000000")
    assert context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
    for option in (ssl.OP_NO_TLSv1_1, ssl.OP_NO_TLSv1_2, ssl.OP_NO_TICKET, ssl.OP_NO_RENEGOTIATION):
        assert context.options & option
    assert not context.options & ssl.OP_NO_TLSv1_3


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"ciphers": "HIGH:!HIGH"}, "no TLS cipher is left"),
        ({"options": "NO_SUCH"}, "unknown word in tls_ssl_options: NO_SUCH"),
        ({"options": "0xg"}, "bad number in tls_ssl_options: 0xg"),
    ],
)
def test_what_cannot_be_obeyed(parameters: dict[str, str], told: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(TlsFailure, match=told):
        restrict(context, **{"protocols": "", "ciphers": "HIGH", "options": "", **parameters})


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, str]:
    """Protocol and cipher that the two agree upon. Raises ssl.SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    cipher = ends[0].cipher()
    return ends[0].version() or "", cipher[0] if cipher else ""


def serve(own: certificate.Certificate, **parameters: object) -> ServerTls:
    return ServerTls(default(TlsServerSettings, smtpd_tls_cert_file=str(own.chain), smtpd_tls_key_file=str(own.key), **parameters))


def ask(protocols: str = "", **parameters: object) -> ssl.SSLContext:
    return client_context(ContextSpec(protocols=protocols, ciphers=GRADES.cipher_list("medium", ""), **parameters))  # type: ignore[arg-type]


def test_the_server_keeps_to_its_protocols_and_ciphers(own: certificate.Certificate) -> None:
    opportunistic = serve(own, smtpd_use_tls=True, smtpd_tls_protocols="TLSv1.2", smtpd_tls_exclude_ciphers="AES, CHACHA20")
    protocol, cipher = handshake(opportunistic.context, ask())
    assert protocol == "TLSv1.2"
    assert "AES" not in cipher
    assert "CHACHA20" not in cipher


def test_mandatory_tls_has_parameters_of_its_own(own: certificate.Certificate) -> None:
    strict = serve(
        own, smtpd_enforce_tls=True, smtpd_tls_protocols="TLSv1.3", smtpd_tls_mandatory_protocols="TLSv1.2",
        smtpd_tls_mandatory_ciphers="high", smtpd_tls_mandatory_exclude_ciphers="AES",
    )  # fmt: skip
    assert strict.required
    protocol, cipher = handshake(strict.context, ask())
    assert protocol == "TLSv1.2"
    assert "AES" not in cipher


def test_the_client_keeps_to_its_protocols(own: certificate.Certificate) -> None:
    server = serve(own, smtpd_tls_security_level="may", smtpd_tls_protocols="TLSv1.3")
    assert handshake(server.context, ask(">=TLSv1.2"))[0] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(server.context, ask("TLSv1.2"))


def test_trust_anchors_need_not_be_roots(own: certificate.Certificate) -> None:
    server = serve(own, smtpd_tls_security_level="may")
    assert handshake(server.context, ask(verify=True, anchors=str(own.chain)))[0] == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server.context, ask(verify=True))


@pytest.mark.parametrize(
    ("parameters", "level", "required"),
    [
        ({}, "", False),
        ({"smtpd_use_tls": True}, "may", False),
        ({"smtpd_use_tls": True, "smtpd_enforce_tls": True}, "encrypt", True),
        ({"smtpd_tls_security_level": "none", "smtpd_enforce_tls": True}, "none", False),
        ({"smtpd_tls_security_level": "secure"}, "secure", True),
    ],
)
def test_levels(parameters: dict[str, object], level: str, required: bool) -> None:
    settings = default(TlsServerSettings, **parameters)
    assert (settings.level, settings.requires_tls) == (level, required)


def test_curves() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert openssl.choose_groups(context, ["X25519", "nosuch", "secp384r1"]) == ["X25519", "secp384r1"]
    assert openssl.choose_groups(context, []) == []


def test_ends_without_a_curve_in_common(own: certificate.Certificate) -> None:
    server = serve(own, smtpd_use_tls=True, tls_eecdh_auto_curves="secp384r1")
    assert handshake(server.context, ask(curves="X25519 secp384r1"))[0] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(server.context, ask(curves="X25519"))


def test_how_long_a_session_may_be_resumed(own: certificate.Certificate) -> None:
    functions = openssl.library()
    assert functions is not None
    context = serve(own, smtpd_use_tls=True, smtpd_tls_session_cache_timeout=120).context
    assert functions.SSL_CTX_get_timeout(ctypes.c_void_p(openssl.context_pointer(context))) == 120


def test_how_long_a_chain_may_be(own: certificate.Certificate) -> None:
    functions = openssl.library()
    assert functions is not None
    for context in (serve(own, smtpd_use_tls=True, smtpd_tls_ccert_verifydepth=3).context, ask(depth=3)):
        assert functions.SSL_CTX_get_verify_depth(ctypes.c_void_p(openssl.context_pointer(context))) == 3


def test_levels_that_a_server_has_not_are_told(own: certificate.Certificate) -> None:
    told = 'smtpd_tls_security_level: unsupported TLS level "verify", using "encrypt"'
    assert serve(own, smtpd_tls_security_level="verify").warnings == (told,)


def test_diffie_hellman_parameters_that_are_missing(own: certificate.Certificate, tmp_path: Path) -> None:
    with pytest.raises(TlsFailure, match=r"dh\.pem"):
        serve(own, smtpd_tls_dh1024_param_file=str(tmp_path / "dh.pem"))
