"""Real mail programs at the doors of users: `submission` as in the master.cf that Postfix brings, `smtps` as in the classic one."""

import os
import pwd
import re
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.mail_programs import PROGRAMS, Door, Letter, Said, swaks
from tests.integration.system import System
from tests.integration.test_sasl import Server, configured
from tests.integration.unix_accounts import MEMBER, OUTSIDER, PASSWORDS, tag, unix_accounts
from tests.support import certificate as certificates
from tests.support.certificate import Certificate
from tests.support.free_ports import free_ports
from tests.support.running import OWNER, wait_for

_BROUGHT = Path("/usr/share/postfix/master.cf.dist")
_CLASSIC = Path(__file__).parent / "classic" / "master.cf"
_USER, _PASSWORD, _OTHERS = "anna@example.test", "right one!", "berta@example.test"
_MAIN = """\
mydestination =
mynetworks = 192.0.2.0/24
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sender_login_maps = inline:{ anna@example.test=anna@example.test, berta@example.test=berta@example.test }
smtpd_sender_restrictions = reject_sender_login_mismatch
mua_sender_restrictions = reject_sender_login_mismatch
broken_sasl_auth_clients = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain =
smtpd_sasl_authenticated_header = yes
smtpd_tls_security_level = may
smtpd_auth_refusal_delay = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
"""


def _brought(name: str, port: int) -> str:
    """A service of the master.cf that Postfix brings, without its `#`. Senders are judged by `$mua_sender_restrictions`, as the
    comment there says."""
    found = re.search(rf"^#({name} +inet .*\n(?:#  .*\n)+)", _BROUGHT.read_text(), re.M)
    assert found is not None
    text = "".join(f"{line.lstrip('#')}\n" for line in found[1].splitlines() if line.startswith(("#  -o", name)))
    text = text.replace("smtpd_sender_restrictions=", "smtpd_sender_restrictions=$mua_sender_restrictions")
    return text.replace(name, f"127.0.0.1:{port}", 1)


def _classic(name: str, port: int) -> str:
    """A service of the classic master.cf."""
    found = re.search(rf"^{re.escape(name)} +(inet .*\n(?: +-o .*\n)*)", _CLASSIC.read_text(), re.M)
    assert found is not None
    return f"127.0.0.1:{port} {found[1]}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def doors(certificate: Certificate) -> dict[str, Door]:
    return _doors(certificate)


def _doors(certificate: Certificate) -> dict[str, Door]:
    names = ("submission", "submissions", "smtps")
    ports = zip(names, free_ports(len(names)), strict=True)
    return {name: Door(port, name != "submission", certificate.authority) for name, port in ports}


@pytest.fixture(scope="module")
def gatepost(certificate: Certificate, doors: dict[str, Door]) -> Iterator[System]:
    """The classic parameters of log-ins, and users in a file."""
    one = _open(certificate, doors)
    one.change(f"smtpd_auth_backends = file:{_users(one.folder)}")
    with one:
        yield one


def _open(certificate: Certificate, doors: dict[str, Door], more: str = "") -> System:
    master = "127.0.0.1:{port} inet n - n - - smtpd\n" + _classic("smtps", doors["smtps"].port)
    master += "".join(_brought(name, doors[name].port) for name in ("submission", "submissions"))
    return System(f"{_MAIN}smtpd_tls_cert_file = {certificate.chain}\nsmtpd_tls_key_file = {certificate.key}\n{more}", master)


def _users(folder: Path) -> Path:
    """A file of users, of which the workers can read."""
    file = folder / "users"
    command = [sys.executable, "-m", "gatepost.cli", "user", "-f", str(file), "add", _USER]
    subprocess.run(command, input=f"{_PASSWORD}\n", text=True, check=True, capture_output=True)
    os.chown(file, -1, pwd.getpwnam(OWNER).pw_gid)
    return file


_EACH = [(program, door) for program in PROGRAMS for door in ("submission", "submissions", "smtps")]
_TWO = [(program, door) for program in PROGRAMS for door in ("submission", "smtps")]


@pytest.mark.parametrize(("program", "door"), _EACH)
def test_logs_in_and_sends(gatepost: System, doors: dict[str, Door], program: str, door: str) -> None:
    letter = Letter(_USER, _PASSWORD, _USER, "b@example.test", f"by {program} at {door}")
    said = PROGRAMS[program](doors[door], letter)
    assert said.taken, said.text
    message = gatepost.arrival(f"Subject: {letter.subject}\n".encode())
    assert b"with ESMTPSA" in message and f"(Authenticated sender: {_USER})".encode() in message


@pytest.mark.parametrize(("program", "door"), _TWO)
def test_a_wrong_password(gatepost: System, doors: dict[str, Door], program: str, door: str) -> None:
    before = len(gatepost.log())
    said = PROGRAMS[program](doors[door], Letter(_USER, "wrong", _USER, "b@example.test", "never"))
    assert not said.taken
    _logged_since(gatepost, before, f"authentication failed: authentication failure, sasl_username={_USER}")
    assert ": client=" not in gatepost.log()[before:]


@pytest.mark.parametrize(("program", "door"), _TWO)
def test_another_ones_sender(gatepost: System, doors: dict[str, Door], program: str, door: str) -> None:
    before = len(gatepost.log())
    said = PROGRAMS[program](doors[door], Letter(_USER, _PASSWORD, _OTHERS, "b@example.test", "never"))
    assert not said.taken
    _logged_since(gatepost, before, f"553 5.7.1 <{_OTHERS}>: Sender address rejected: not owned by user {_USER}")


def _logged_since(gatepost: System, before: int, text: str) -> None:
    wait_for(lambda: text in gatepost.log()[before:], lambda: f"{text}\n{gatepost.log()[before:]}")


def test_no_password_in_the_clear(gatepost: System, doors: dict[str, Door]) -> None:
    """Submission wants TLS before anything else, and does not offer AUTH without it."""
    with gatepost.client(doors["submission"].port) as client:
        assert "AUTH" not in client.say("EHLO client.example.com")[1]
        for line in ("AUTH PLAIN", "AUTH LOGIN", "MAIL FROM:<a@example.com>"):
            assert client.say(line) == (530, "5.7.0 Must issue a STARTTLS command first")


@pytest.mark.parametrize("door", ["submission", "smtps"])
def test_nobody_sends_without_a_login(gatepost: System, doors: dict[str, Door], door: str) -> None:
    """Not even to ourselves."""
    at = doors[door]
    context = ssl.create_default_context(cafile=str(at.authority))
    with smtplib.SMTP_SSL("localhost", at.port, context=context) if at.wrapped else smtplib.SMTP("localhost", at.port) as client:
        if not at.wrapped:
            client.starttls(context=context)
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("b@example.test")[0] == 554


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it makes accounts")
@pytest.mark.parametrize("asked", ["pam", "saslauthd"])
def test_accounts_of_the_machine(certificate: Certificate, asked: str) -> None:
    """PAM asked by ourselves, and by saslauthd as the classic sasl/smtpd.conf has it; members of a group may send, nobody else."""
    mark = f"d{tag()}"
    with unix_accounts(mark) as accounts, ExitStack() as stack:
        doors = _doors(certificate)
        main = f"smtpd_sasl_service = {accounts.service}\nsmtpd_sender_login_maps = static:{MEMBER}{mark}\n"
        one = _open(certificate, doors, main + ("smtpd_auth_backends = pam\n" if asked == "pam" else ""))
        configured(one, "pwcheck_method: saslauthd\nmech_list: plain login\n")
        if asked == "saslauthd":
            folder = one.spool / "var/run/saslauthd"
            folder.mkdir(parents=True)
            server = Server(folder, folder / "mux", "saslauthd", "-d", "-n", "1", "-m", str(folder), "-a", "pam")
            stack.callback(server.stop)
        stack.enter_context(one)
        for door in ("submission", "smtps"):
            assert _swaks(doors[door], f"{MEMBER}{mark}", PASSWORDS[MEMBER]).taken
            said = _swaks(doors[door], f"{OUTSIDER}{mark}", PASSWORDS[OUTSIDER])
            assert not said.taken and "535 5.7.8 Error: authentication failed" in said.text


def _swaks(door: Door, user: str, password: str) -> Said:
    return swaks(door, Letter(user, password, "a@example.com", "b@example.test", "by an account"))
