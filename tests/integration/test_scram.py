"""SCRAM with keys of a user file: GNU SASL's client and msmtp log in, over TLS 1.2 and 1.3, and what a client that lies hears."""

import base64
import hashlib
import os
import pwd
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatepost.net.channel_binding import channel_bindings
from gatepost.proto.sasl import scram
from gatepost.proto.sasl.port import Credentials, Secret
from tests.integration.system import System
from tests.support.certificate import Certificate
from tests.support.running import OWNER

Make = Callable[..., System]
ANNA, BEN, PASSWORD = "anna@example.com", "ben", "right one"
MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_sasl_tls_security_options = noanonymous
smtpd_auth_refusal_delay = 0
smtpd_client_event_limit_exceptions =
mynetworks = 192.0.2.1
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_tls_security_level = may
"""


def user(file: Path, *words: str, told: str = "") -> str:
    command = [sys.executable, "-m", "gatepost.cli", "user", "-f", str(file), *words]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=True)
    os.chown(file, 0, pwd.getpwnam(OWNER).pw_gid)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def gatepost(certificate: Certificate) -> Iterator[System]:
    """Its users have SCRAM keys."""
    one = System(f"{MAIN}smtpd_tls_chain_files = {certificate.key} {certificate.chain}\n")
    file = one.folder / "users"
    user(file, "add", "--scram", ANNA, told=f"{PASSWORD}\n")
    user(file, "add", BEN, told=f"{PASSWORD}\n")  # as the others
    one.change(f"smtpd_auth_backends = file:{file}")
    with one:
        yield one


def offered(gatepost: System, *, secured: bool = False) -> list[str]:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        if secured:
            client.starttls(context=ssl._create_unverified_context())
        client.ehlo()
        return client.esmtp_features["auth"].split()


def gsasl(gatepost: System, mechanism: str, password: str, *options: str, login: str = ANNA) -> "subprocess.CompletedProcess[str]":
    """GNU SASL's client logs in."""
    command = ["gsasl", "--smtp", f"--connect=127.0.0.1:{gatepost.port}", f"--mechanism={mechanism}"]
    command += [f"--authentication-id={login}", f"--password={password}", "--authorization-id=", "--service=smtp", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def test_what_is_offered(gatepost: System) -> None:
    assert offered(gatepost) == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    assert offered(gatepost, secured=True) == ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]


def test_gnu_sasl(gatepost: System) -> None:
    right = gsasl(gatepost, "SCRAM-SHA-256", PASSWORD, "--no-starttls")
    assert right.returncode == 0, right.stdout + right.stderr
    assert "235 2.7.0" in right.stdout
    assert "535 5.7.8" in gsasl(gatepost, "SCRAM-SHA-256", "wrong", "--no-starttls").stdout
    assert "535 5.7.8" in gsasl(gatepost, "SCRAM-SHA-256", PASSWORD, "--no-starttls", login="nobody").stdout


@pytest.mark.parametrize("priority", ["NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"])
def test_gnu_sasl_bound_to_tls(gatepost: System, priority: str) -> None:
    tls = ("--starttls", "--x509-ca-file=", f"--priority={priority}")
    right = gsasl(gatepost, "SCRAM-SHA-256-PLUS", PASSWORD, *tls)
    assert right.returncode == 0, right.stdout + right.stderr
    assert "235 2.7.0" in right.stdout
    assert "535 5.7.8" in gsasl(gatepost, "SCRAM-SHA-256-PLUS", "wrong", *tls).stdout


def test_application_passwords(gatepost: System) -> None:
    """Each of a user's passwords is good for SCRAM, and one that is taken back is good for nothing at once."""
    file = gatepost.folder / "users"
    token = user(file, "app-password", ANNA, "phone")
    for password in (token, PASSWORD):
        assert "235 2.7.0" in gsasl(gatepost, "SCRAM-SHA-256", password, "--no-starttls").stdout
    assert "535 5.7.8" in gsasl(gatepost, "SCRAM-SHA-256", token, "--no-starttls", login=BEN).stdout
    user(file, "app-password", "--revoke", ANNA, "phone")
    assert "535 5.7.8" in gsasl(gatepost, "SCRAM-SHA-256", token, "--no-starttls").stdout
    assert token not in gatepost.log() and PASSWORD not in gatepost.log()


def test_msmtp(gatepost: System) -> None:
    subject = "Subject: by msmtp and SCRAM\n\nx\n"
    command = ["msmtp", "--host=127.0.0.1", f"--port={gatepost.port}", "--from=a@example.com", "--tls=off", "--auth=scram-sha-256"]
    command += [f"--user={ANNA}", f"--passwordeval=echo {PASSWORD!r}", "b@example.test"]
    done = subprocess.run(command, input=subject, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    gatepost.arrival(b"by msmtp and SCRAM")
    gatepost.logged("sasl_method=SCRAM-SHA-256, sasl_username=anna@example.com")


def test_a_user_without_keys_turns_it_off(gatepost: System) -> None:
    """Else his mail program would choose it, and be refused."""
    file = gatepost.folder / "users"
    user(file, "add", "--no-scram", "carl", told="of carl\n")
    assert offered(gatepost) == ["PLAIN", "LOGIN"]
    assert user(file, "list", "--no-scram") == "carl"
    user(file, "delete", "carl")
    assert "SCRAM-SHA-256" in offered(gatepost)


# --- what a client that lies hears ---


class Exchange:
    """A client of SCRAM-SHA-256, by our own core, over TLS where there is a version of it."""

    def __init__(self, gatepost: System, version: ssl.TLSVersion | None = None) -> None:
        self._client = smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20)
        self.bindings: dict[str, bytes] = {}
        if version is not None:
            context = ssl._create_unverified_context()
            context.maximum_version = version
            self._client.starttls(context=context)
            connected = self._client.sock
            assert isinstance(connected, ssl.SSLSocket)
            self.bindings = channel_bindings(connected)  # type: ignore[arg-type]
            certificate = connected.getpeercert(binary_form=True)
            assert certificate is not None
            self.bindings["tls-server-end-point"] = hashlib.sha256(certificate).digest()
        self._client.ehlo()

    def challenge(self, name: str) -> tuple[str, str, int]:
        """What the server tells of a user: salt and iterations, and what it says at last to a wrong proof."""
        code, told = self._say(f"AUTH SCRAM-SHA-256 {_encoded(f'n,,n={name},r=c'.encode())}")
        assert code == 334
        nonce, salt, iterations = base64.b64decode(told).decode().split(",")
        final = f"c=biws,{nonce},p={_encoded(bytes(32))}".encode()
        return salt, iterations, self._say(_encoded(final))[0]

    def ends(
        self, mechanism: str, binding: scram.Binding, password: str = PASSWORD, *, between: Callable[[], object] = lambda: None
    ) -> int:
        """The code that an exchange ends with. `between`: what happens before the proof."""
        core = scram.client(Credentials(ANNA, Secret(password.encode())), "sha256", "c", binding)
        code, told = self._say(f"AUTH {mechanism} {_encoded(next(core))}")
        between()
        while code == 334:
            code, told = self._say(_encoded(core.send(base64.b64decode(told))))
        return code

    def _say(self, line: str) -> tuple[int, str]:
        code, text = self._client.docmd(line)
        return code, text.decode()


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("kind", ["tls-exporter", "tls-unique", "tls-server-end-point"])
def test_types_of_channel_binding(gatepost: System, version: ssl.TLSVersion, kind: str) -> None:
    exchange = Exchange(gatepost, version)
    there = kind in exchange.bindings
    data = exchange.bindings.get(kind, b"x" * 32)
    assert there == (kind == "tls-server-end-point" or (kind == "tls-exporter") == (version == ssl.TLSVersion.TLSv1_3))
    bind = _bound_as(kind, data)
    assert exchange.ends("SCRAM-SHA-256-PLUS", bind) == (235 if there else 535)


def _bound_as(kind: str, data: bytes) -> scram.Binding:
    return scram.Binding(True, True, {kind: data})


def test_somebody_in_between_and_one_who_takes_the_offer_away(gatepost: System) -> None:
    other = Exchange(gatepost, ssl.TLSVersion.TLSv1_3).bindings["tls-exporter"]
    through = _bound_as("tls-exporter", other)
    assert Exchange(gatepost, ssl.TLSVersion.TLSv1_3).ends("SCRAM-SHA-256-PLUS", through) == 535
    believes_in_none = scram.Binding(False, False, {"tls-exporter": other})  # gs2 flag y
    assert Exchange(gatepost, ssl.TLSVersion.TLSv1_3).ends("SCRAM-SHA-256", believes_in_none) == 535
    gatepost.logged("channel binding was offered, and somebody has taken it away")
    cannot = scram.Binding()
    assert Exchange(gatepost, ssl.TLSVersion.TLSv1_3).ends("SCRAM-SHA-256", cannot) == 235
    assert Exchange(gatepost).ends("SCRAM-SHA-256", believes_in_none) == 235  # in the clear none was offered


def test_a_password_that_is_taken_back_in_mid_exchange(gatepost: System) -> None:
    file = gatepost.folder / "users"
    token = user(file, "app-password", ANNA, "tablet")

    def take_back() -> None:
        user(file, "app-password", "--revoke", ANNA, "tablet")

    assert Exchange(gatepost).ends("SCRAM-SHA-256", scram.Binding(), token) == 235
    assert Exchange(gatepost).ends("SCRAM-SHA-256", scram.Binding(), token, between=take_back) == 535


def test_users_that_there_are_not_look_like_users(gatepost: System) -> None:
    """Also after a restart."""

    def told(name: str) -> tuple[str, str, int]:
        return Exchange(gatepost).challenge(name)

    names = [ANNA, BEN, "nobody", "somebody"]
    before = {name: told(name) for name in names}
    assert len({salt for salt, _, _ in before.values()}) == 4
    assert {(len(salt), iterations, code) for salt, iterations, code in before.values()} == {(26, "i=65536", 535)}
    gatepost.stop()
    gatepost.start()
    assert {name: told(name) for name in names} == before


def test_wrong_answers_are_guesses(system: Make) -> None:
    one = system(MAIN + "smtpd_auth_client_guess_limit = 3\nworker_processes = 2\n")
    file = one.folder / "users"
    user(file, "add", "--scram", ANNA, told=f"{PASSWORD}\n")
    one.change(f"smtpd_auth_backends = file:{file}")
    one.start()
    codes = [Exchange(one).challenge(name)[2] if n < 3 else 0 for n, name in enumerate((ANNA, "nobody", ANNA, "x"))]
    assert codes == [535, 535, 535, 0]
    assert Exchange(one).ends("SCRAM-SHA-256", scram.Binding()) == 454
    one.logged("too many wrong passwords from 127.0.0.1/32")
