"""Log-ins by token through a running Gatepost, of a provider over HTTPS that rotates its keys, is slow, and is away."""

import base64
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.https_server import Asked, HttpsServer, Said
from tests.integration.system import System
from tests.support import certificate as certificates
from tests.support.certificate import Certificate
from tests.support.issuer import AUDIENCE, ISSUER, USER, Signer, by_secret, key_set, unsigned
from tests.support.running import wait_for

Make = Callable[..., System]
SIGNER = Signer()
CLIENT_SECRET = "never-to-be-seen-either"


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder beside all those of a Gatepost, unlike tmp_path open to its workers."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def provider(localhost: Certificate) -> Iterator[HttpsServer]:
    one = HttpsServer(localhost)
    one.answers = {"/jwks": Said(200, key_set(SIGNER))}
    yield one
    one.close()


def _started(system: Make, authority: Path, lines: str, more: str = "") -> System:
    """A Gatepost with TLS and `oauth:` of a file of such lines, which root alone may read."""
    gatepost = system()
    file, believed = gatepost.conf / "oauth.cf", gatepost.conf / "ca.pem"
    shutil.copy(authority, believed)
    file.write_text(f"issuer = {ISSUER}\naudience = {AUDIENCE}\nscope = smtp\ntls_ca_cert_file = {believed}\ntimeout = 3\n{lines}")
    if os.getuid() == 0:
        file.chmod(0o600)
    gatepost.change(
        "smtpd_sasl_auth_enable = yes\nsmtpd_auth_refusal_delay = 0\nsmtpd_client_event_limit_exceptions =\nworker_processes = 1\n"
        f"smtpd_tls_security_level = may\nsmtpd_tls_auth_only = yes\nsmtpd_auth_backends = oauth:{file}\n"
        f"smtpd_tls_chain_files = {authority.parent / 'key.pem'} {authority.parent / 'chain.pem'}\n"
        f"smtpd_relay_restrictions = permit_sasl_authenticated, reject\nsmtpd_sasl_authenticated_header = yes\n{more}"
    )
    return gatepost.start()


def _with_keys(system: Make, provider: HttpsServer, authority: Path, more: str = "") -> System:
    url = f"https://localhost:{provider.port}"
    lines = f"jwks_uri = {url}/jwks\nusername_claim = email\nopenid_configuration = {url}/openid\n"
    return _started(system, authority, lines, more)


def _login(gatepost: System, token: bytes, mechanism: str = "OAUTHBEARER", user: str = USER) -> tuple[int, object]:
    """The code at the end, and what the client's program was told before, if it was."""
    if mechanism == "OAUTHBEARER":
        message = f"n,{user and f'a={user}'},\x01host=localhost\x01port=587\x01auth=Bearer ".encode() + token + b"\x01\x01"
    else:
        message = f"user={user}\x01auth=Bearer ".encode() + token + b"\x01\x01"
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.ehlo()
        assert {"OAUTHBEARER", "XOAUTH2"} <= set(client.esmtp_features["auth"].split())
        code, text = client.docmd("AUTH", f"{mechanism} {base64.b64encode(message).decode()}")
        if code != 334:
            return code, None
        return client.docmd("AQ==" if mechanism == "OAUTHBEARER" else "")[0], json.loads(base64.b64decode(text))


def _curl(gatepost: System, token: bytes, mail: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["curl", "-sv", "--insecure", "--ssl-reqd", f"smtp://127.0.0.1:{gatepost.port}/client.example.com", "--user", USER,
         "--oauth2-bearer", token.decode(), "--mail-from", USER, "--mail-rcpt",
         "b@example.test", "-T", str(mail)], capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl(system: Make, provider: HttpsServer, localhost: Certificate, tmp_path: Path, mechanism: str) -> None:
    gatepost = _with_keys(system, provider, localhost.authority, f"smtpd_sasl_mechanism_filter = {mechanism}\n")
    mail = tmp_path / "mail"
    mail.write_text("Subject: by a token\r\n\r\nx\r\n")
    sent = _curl(gatepost, SIGNER.token(), mail)
    assert sent.returncode == 0, sent.stderr + gatepost.log()
    assert f"(Authenticated sender: {USER})".encode() in gatepost.arrival(b"by a token")
    gatepost.logged(f"sasl_method={mechanism}, sasl_username={USER}")
    refused = _curl(gatepost, SIGNER.token(exp=1), mail)
    assert refused.returncode == 67, refused.stderr  # login denied
    # With XOAUTH2, curl hangs up when it is told why.
    gatepost.logged("the token has expired" if mechanism == "OAUTHBEARER" else "lost connection after AUTH from")


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_msmtp(system: Make, provider: HttpsServer, localhost: Certificate, mechanism: str) -> None:
    gatepost = _with_keys(system, provider, localhost.authority)
    token = SIGNER.token().decode()
    sent = subprocess.run(
        ["msmtp", "--host=127.0.0.1", f"--port={gatepost.port}", f"--from={USER}", "--tls=on", "--tls-certcheck=off",
         f"--auth={mechanism}", f"--user={USER}", f"--passwordeval=echo {token}", "b@example.test"],
        input="Subject: by msmtp\n\nx\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    gatepost.logged(f"sasl_method={mechanism.upper()}, sasl_username={USER}")


def test_tokens_that_let_nobody_in(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    gatepost = _with_keys(
        system, provider, localhost.authority, "smtpd_auth_client_guess_limit = 0\nsmtpd_auth_user_guess_limit = 0\n"
    )
    good = SIGNER.token()
    assert _login(gatepost, good) == (235, None)
    assert _login(gatepost, good, user="") == (235, None)
    url = f"https://localhost:{provider.port}/openid"
    told = {"status": "invalid_token", "scope": "smtp", "openid-configuration": url}
    forged = Signer()
    tokens = [
        unsigned(), by_secret(SIGNER.public["n"].encode(), {}), forged.token(), SIGNER.token(exp=1), SIGNER.token(aud="other"),
        SIGNER.token(iss="https://evil.test"), SIGNER.token({"crit": ["x"], "x": 1}), SIGNER.token(nbf=time.time() + 3600),
        forged.token({"jku": f"https://localhost:{provider.port}/evil", "jwk": forged.public}), b"opaque", b"x" * 8500,
        SIGNER.token(email="ben@example.test"),
    ]  # fmt: skip
    for token in tokens:
        assert _login(gatepost, token) == (535, told)
    assert _login(gatepost, SIGNER.token(scope="other"))[1] == {**told, "status": "insufficient_scope"}
    assert _login(gatepost, tokens[0], "XOAUTH2") == (535, {"status": "401", "schemes": "bearer", "scope": "smtp"})
    assert _login(gatepost, SIGNER.token(), "XOAUTH2", "ben@example.test")[0] == 535
    assert [asked.path for asked in provider.asked] == ["/jwks"]
    log = gatepost.log()
    for token in (good, *tokens):
        signature = token.rpartition(b".")[2].decode()
        assert not signature or signature[:40] not in log


def test_keys_in_a_file_anywhere(system: Make, localhost: Certificate, elsewhere: Path) -> None:
    """In a folder that nothing but the back end's own file names; it is read when it changes, too."""
    gatepost = system()
    file, next_one = elsewhere / "jwks.json", Signer("two")
    file.write_bytes(key_set(SIGNER))
    _started(lambda: gatepost, localhost.authority, f"jwks_file = {file}\nusername_claim = email\n")
    assert _login(gatepost, SIGNER.token())[0] == 235
    file.write_bytes(key_set(next_one))
    assert _login(gatepost, next_one.token())[0] == 235
    assert _login(gatepost, SIGNER.token())[0] == 535


def test_keys_that_are_not_known_are_asked_for_once(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    """Whoever shows them is told that it is for now: his key may be a new one."""
    gatepost = _with_keys(system, provider, localhost.authority)
    assert _login(gatepost, SIGNER.token())[0] == 235
    provider.answers["/jwks"] = Said(200, key_set(Signer("two"), SIGNER))
    assert {_login(gatepost, SIGNER.token({"kid": f"forged{n}"}))[0] for n in range(10)} == {454}
    assert len(provider.asked) == 1
    assert _login(gatepost, SIGNER.token())[0] == 235


def test_a_provider_that_is_away_and_comes_back(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    port = provider.port
    provider.close()
    gatepost = _with_keys(system, provider, localhost.authority)
    assert _login(gatepost, SIGNER.token())[0] == 454
    gatepost.logged("https://localhost", "Connection refused")
    back = HttpsServer(localhost, port)
    back.answers = {"/jwks": Said(200, key_set(SIGNER))}
    try:
        wait_for(lambda: _login(gatepost, SIGNER.token())[0] == 235, "a provider that is back", 60)
    finally:
        back.close()
    assert _login(gatepost, SIGNER.token())[0] == 235  # its keys are there


def _slowly(asked: Asked) -> Said:
    time.sleep(20)
    return Said(200, key_set(SIGNER))


@pytest.mark.parametrize(
    "answer",
    [
        _slowly,
        Said(200, b"{", {"Content-Length": "100"}),
        Said(200, b"x" * 70_000),
        Said(302, b"", {"Location": "/elsewhere"}),
        Said(200, b'{"keys": [{"kty": "oct", "k": "AA"}]}'),
        Said(500),
    ],
)
def test_a_provider_that_gives_no_keys(system: Make, provider: HttpsServer, localhost: Certificate, answer: Said) -> None:
    """It is for now, and holds nobody else up."""
    provider.answers["/jwks"] = answer
    gatepost = _with_keys(system, provider, localhost.authority)
    assert _login(gatepost, SIGNER.token())[0] == 454
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        assert client.ehlo()[0] == 250
    assert [asked.path for asked in provider.asked] == ["/jwks"]


def test_a_provider_that_nobody_vouches_for(system: Make, provider: HttpsServer, tmp_path: Path) -> None:
    others = certificates.make(tmp_path, "localhost")
    gatepost = _with_keys(system, provider, others.authority)
    assert _login(gatepost, SIGNER.token())[0] == 454
    gatepost.logged("certificate verify failed")
    assert not provider.asked


# --- introspection ---


class Opaque:
    """What a provider says of tokens that say nothing themselves."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, object]] = {}
        self.asked = 0

    def answer(self, asked: Asked) -> Said:
        self.asked += 1
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(f"gateway:{CLIENT_SECRET}".encode()).decode():
            return Said(401)
        token = asked.body.decode().partition("token=")[2].partition("&")[0]
        return Said(200, json.dumps({"active": False, **self.known.get(token, {})}).encode())


def _with_introspection(
    system: Make, provider: HttpsServer, authority: Path, secret: str = CLIENT_SECRET, more: str = ""
) -> System:
    url = f"https://localhost:{provider.port}/introspect"
    lines = f"introspection_url = {url}\nclient_id = gateway\nclient_secret = {secret}\nusername_claim = username\n"
    return _started(system, authority, lines, more)


def test_introspection(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    opaque = Opaque()
    good = {"active": True, "username": USER, "iss": ISSUER, "aud": [AUDIENCE], "scope": "smtp", "exp": int(time.time()) + 600}
    opaque.known = {"good": good, "narrow": {**good, "scope": "x"}, "old": {**good, "exp": 1}, "others": {**good, "aud": "x"}}
    provider.answers["/introspect"] = opaque.answer
    gatepost = _with_introspection(system, provider, localhost.authority)
    assert [_login(gatepost, b"good")[0] for _ in range(5)] == [235] * 5
    assert opaque.asked == 1
    assert [_login(gatepost, token)[0] for token in (b"narrow", b"old", b"others", b"unknown")] == [535] * 4
    assert _login(gatepost, b"good", user="ben")[0] == 535
    provider.close()
    assert _login(gatepost, b"good")[0] == 235
    assert _login(gatepost, b"another")[0] == 454
    assert CLIENT_SECRET not in gatepost.log()
    assert base64.b64encode(f"gateway:{CLIENT_SECRET}".encode()).decode() not in gatepost.log()


def test_a_secret_that_is_wrong_is_ours_to_mend(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    provider.answers["/introspect"] = Opaque().answer
    gatepost = _with_introspection(system, provider, localhost.authority, "wrong")
    assert _login(gatepost, b"good")[0] == 454
    gatepost.logged("introspection_url answers 401")


def test_guesses_of_tokens_are_put_off_before_the_provider_is_asked(
    system: Make, provider: HttpsServer, localhost: Certificate
) -> None:
    opaque = Opaque()
    provider.answers["/introspect"] = opaque.answer
    gatepost = _with_introspection(system, provider, localhost.authority, more="smtpd_auth_client_guess_limit = 5\n")
    assert [_login(gatepost, b"guess%d" % n, user="")[0] for n in range(8)] == [535] * 5 + [454] * 3
    assert opaque.asked == 5


# --- gatepost check ---


def test_check_asks_as_a_worker_will(system: Make, provider: HttpsServer, localhost: Certificate) -> None:
    gatepost = _with_keys(system, provider, localhost.authority)

    def told(*words: str) -> list[str]:
        return [line for line in gatepost.command("check", *words).stderr.splitlines() if "oauth:" in line]

    assert told() == []
    provider.answers["/jwks"] = Said(503)
    assert told("--offline") == []
    assert len(found := told()) == 1 and "jwks_uri answers 503" in found[0]
    with (gatepost.conf / "oauth.cf").open("a") as file:
        file.write("algorithms = HS256\n")
    assert "algorithms = HS256: not some of RS256" in told("--offline")[0]
