"""Log-ins with real parts: Cyrus' saslauthd and Dovecot's auth socket know the users; smtplib, swaks and curl log in."""

import contextlib
import os
import shutil
import smtplib
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.integration.system import System
from tests.support.running import wait_for

_SUBMISSION = """\
smtpd_sasl_auth_enable = yes
mynetworks = 192.0.2.1
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_authenticated_header = yes
broken_sasl_auth_clients = yes
smtpd_hard_error_limit = 100
smtpd_error_sleep_time = 0
"""
USER, PASSWORD = "anna@gatepost.test", "right one!"
FOREIGN = "postmaster@elsewhere.test"


def listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(OSError):
        one.connect(str(path))
        return True
    return False


class Server:
    """A server program, in a session of its own: saslauthd ends its whole process group. `socket`: where it listens."""

    def __init__(self, folder: Path, path: Path, *command: str) -> None:
        self.socket = path
        with open(folder / "output", "ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        wait_for(lambda: listening(path) or self._process.poll() is not None, f"a listening {command[0]}")
        assert self._process.poll() is None, (folder / "output").read_text()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def sasldb() -> Iterator[None]:
    """A user in the system's sasldb, which saslauthd reads."""
    name, _, realm = USER.partition("@")
    subprocess.run(["saslpasswd2", "-p", "-c", "-u", realm, name], input=PASSWORD, text=True, check=True)
    yield
    subprocess.run(["saslpasswd2", "-d", "-u", realm, name], check=True)


def saslauthd(folder: Path) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    return Server(folder, folder / "mux", "saslauthd", "-d", "-n", "1", "-m", str(folder), "-a", "sasldb")


def configured(system: System, text: str) -> None:
    (system.folder / "conf" / "sasl").mkdir(exist_ok=True)
    (system.folder / "conf" / "sasl" / "smtpd.conf").write_text(text)


@pytest.fixture
def cyrus(sasldb: None) -> Iterator[System]:
    """saslauthd is to be found below queue_directory."""
    one = System(_SUBMISSION + "smtpd_sasl_path = smtpd\n")
    configured(one, "pwcheck_method: saslauthd\nmech_list: plain login\n")
    with one:
        yield one


_DOVECOT = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols =
ssl = no
first_valid_uid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
service auth {{
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
"""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Server]:
    folder = Path(mkdtemp(prefix="dovecot-auth-"))
    folder.chmod(0o755)
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    (folder / "dovecot.conf").write_text(_DOVECOT.format(dir=folder))
    for name in ("run", "state"):
        (folder / name).mkdir()
    one = Server(folder, folder / "run/auth-smtp", "dovecot", "-F", "-c", str(folder / "dovecot.conf"))
    yield one
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)


def offered(system: System) -> set[str]:
    with smtplib.SMTP("127.0.0.1", system.port, timeout=20) as client:
        return {line for line in client.ehlo()[1].decode().split("\n") if line.startswith("AUTH")}


def code_of(system: System, password: str, mechanism: str = "PLAIN") -> int:
    """What a log-in is answered; a user who is in may relay, and nobody else."""
    with smtplib.SMTP("127.0.0.1", system.port, timeout=60) as client:
        client.ehlo()
        client.user, client.password = USER, password
        author = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login, "CRAM-MD5": client.auth_cram_md5}[mechanism]
        try:
            code = client.auth(mechanism, author)[0]
        except smtplib.SMTPAuthenticationError as error:
            code = error.smtp_code
        client.mail("x@example.com")
        assert client.rcpt(FOREIGN)[0] == (250 if code == 235 else 554)
        return code


def test_saslauthd(cyrus: System) -> None:
    assert offered(cyrus) == {"AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN"}
    server = saslauthd(cyrus.spool / "var/run/saslauthd")
    try:
        assert [code_of(cyrus, PASSWORD, mechanism) for mechanism in ("PLAIN", "LOGIN")] == [235, 235]
        assert [code_of(cyrus, "wrong", mechanism) for mechanism in ("PLAIN", "LOGIN")] == [535, 535]
    finally:
        server.stop()
    assert code_of(cyrus, PASSWORD) == 454
    again = saslauthd(cyrus.spool / "var/run/saslauthd")
    try:
        assert code_of(cyrus, PASSWORD) == 235
    finally:
        again.stop()
    cyrus.logged(f"SASL PLAIN authentication failed: authentication failure, sasl_username={USER}")
    cyrus.logged("SASL authentication failure: cannot connect to saslauthd server")
    assert PASSWORD not in cyrus.log() and b64encode(PASSWORD.encode()).decode() not in cyrus.log()


def test_a_socket_of_its_own(sasldb: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    one = System(_SUBMISSION)
    configured(one, f"pwcheck_method: saslauthd\nsaslauthd_path: {one.folder}/mine/mux\n")
    server = saslauthd(one.folder / "mine")
    try:
        with one:
            assert code_of(one, PASSWORD) == 235
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "pwcheck_method: auxprop\nauxprop_plugin: sql\n",
            "line 2: auxprop_plugin sql is not supported: write `smtpd_auth",
        ),
        ("pwcheck_method: authdaemond\n", "line 1: pwcheck_method authdaemond is not supported: write `pwcheck_method: saslauthd`"),
    ],
)
def test_what_is_not_there_lets_nobody_in(text: str, told: str) -> None:
    one = System(_SUBMISSION)
    configured(one, text)
    with one:
        assert offered(one) == set()
        one.logged(f"AUTH is not offered: {one.folder}/conf/sasl/smtpd.conf, {told}")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: files and folders of other groups")
def test_sasldb_of_the_group_sasl() -> None:
    """As saslpasswd2 leaves it on Debian: mail_owner has no right of its own to it."""
    one = System(_SUBMISSION)
    file = one.folder / "sasldb2"
    name, _, realm = USER.partition("@")
    subprocess.run(["saslpasswd2", "-p", "-c", "-f", str(file), "-u", realm, name], input=PASSWORD, text=True, check=True)
    shutil.chown(file, "root", "sasl")
    file.chmod(0o640)
    configured(one, f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {file}\n")
    with one:
        assert {word for line in offered(one) for word in line[5:].split()} == {"PLAIN", "LOGIN", "CRAM-MD5"}
        assert [code_of(one, PASSWORD, mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")] == [235] * 3
        assert [code_of(one, "wrong", mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")] == [535] * 3
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", str(file), "-u", realm, name], input="another", text=True, check=True)
        assert [code_of(one, password) for password in (PASSWORD, "another")] == [535, 235]  # at once


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: files and folders of other groups")
def test_a_folder_of_the_group_sasl(sasldb: None) -> None:
    """Debian's /run/saslauthd is 0710; mail_owner is no member."""
    one = System(_SUBMISSION)
    folder = one.folder / "mine"
    configured(one, f"pwcheck_method: saslauthd\nsaslauthd_path: {folder}/mux\n")
    server = saslauthd(folder)
    shutil.chown(folder, "root", "sasl")
    folder.chmod(0o710)
    try:
        with one:
            assert code_of(one, PASSWORD) == 235
    finally:
        server.stop()


def test_guessing_is_slowed_whoever_knows_the_users(sasldb: None) -> None:
    """smtpd_sasl_type = cyrus has the same guard as smtpd_auth_backends, for CRAM-MD5 as well."""
    limit = "smtpd_auth_user_guess_limit = 4\nsmtpd_auth_refusal_delay = 0\nsmtpd_client_event_limit_exceptions =\n"
    one = System(f"{_SUBMISSION}{limit}smtpd_auth_cache_time = 0\nsmtpd_auth_cache_negative_time = 0\n")
    file = one.folder / "sasldb2"
    name, _, realm = USER.partition("@")
    subprocess.run(["saslpasswd2", "-p", "-c", "-f", str(file), "-u", realm, name], input=PASSWORD, text=True, check=True)
    file.chmod(0o644)
    configured(one, f"sasldb_path: {file}\n")
    with one:
        codes = [code_of(one, f"wrong{n}", mechanism) for n in range(3) for mechanism in ("PLAIN", "CRAM-MD5")]
        assert codes == [535] * 4 + [454] * 2
        assert code_of(one, PASSWORD) == 454
        one.logged("too many wrong passwords of this user")


def test_the_word_dovecot(dovecot: Server) -> None:
    with System(f"{_SUBMISSION}smtpd_auth_backends = dovecot\nsmtpd_sasl_path = {dovecot.socket}\n") as one:
        assert {word for line in offered(one) for word in line[5:].split()} == {"PLAIN", "LOGIN"}
        assert [code_of(one, PASSWORD, mechanism) for mechanism in ("PLAIN", "LOGIN")] == [235, 235]
        assert [code_of(one, "wrong", mechanism) for mechanism in ("PLAIN", "LOGIN")] == [535, 535]
        one.logged(f"SASL PLAIN authentication failed: authentication failure, sasl_username={USER}")


def test_dovecot(dovecot: Server) -> None:
    with System(f"{_SUBMISSION}smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {dovecot.socket}\n") as one:
        assert {word for line in offered(one) for word in line[5:].split()} == {"PLAIN", "LOGIN", "CRAM-MD5"}
        assert [code_of(one, PASSWORD, mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")] == [235] * 3
        assert [code_of(one, "wrong", mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")] == [535] * 3
        for tool in (
            ["swaks", "--server", f"127.0.0.1:{one.port}", "--from", "x@example.com", "--to", "b@example.test", "--auth", "LOGIN",
             "--auth-user", USER, "--auth-password", PASSWORD, "--body", "by swaks"],
            ["curl", "-sS", f"smtp://127.0.0.1:{one.port}", "--mail-from", "x@example.com", "--mail-rcpt", "b@example.test",
             "--user", f"{USER}:{PASSWORD}", "-T", "-"],
        ):  # fmt: skip
            done = subprocess.run(tool, input=f"Subject: x\r\n\r\nby {tool[0]}\r\n", text=True, capture_output=True)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"(Authenticated sender: {USER})".encode() in one.arrival(f"by {tool[0]}".encode())
        one.logged(f"sasl_method=PLAIN, sasl_username={USER}")
        assert PASSWORD not in one.log()
