"""Next hops that talk oddly, and STARTTLS that fails: what becomes of the mail, its status code and the log are as with Postfix.

Each file of tests/odd_servers is a script (tests/support/scripted.py) that a server plays for Debian's Postfix and for Gatepost;
all of them go on at one time. A script whose outcome differs on purpose says so (`OURS`; docs/differences.md).
"""

import contextlib
import hashlib
import re
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.postfix import Postfix
from tests.support.certificate import Certificate, make
from tests.support.postfix import QUEUE_ID
from tests.support.running import MASTER, System, wait_for
from tests.support.scripted import Script, ScriptedServer

SCRIPTS = {file.stem: Script.load(file) for file in sorted((Path(__file__).parents[1] / "odd_servers").glob("*.txt"))}
_LIMITS = ("connect", "helo", "starttls", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit")
_MAIN = {
    **{f"smtp_{limit}_timeout": "6s" for limit in _LIMITS},
    "minimal_backoff_time": "3s",
    "maximal_backoff_time": "3s",
    "queue_run_delay": "1s",
    "transport_retry_time": "1s",
    "smtp_destination_concurrency_failed_cohort_limit": "0",
    "smtp_tls_security_level": "none",
    "smtp_host_lookup": "native",
}
_LONGEST = 1800  # characters of a log line that Postfix does not cut off yet
_PATIENCE = 60.0  # seconds for all of them together, on a busy machine


class Played:
    """All scripts, as one mail system met them. `say` tells its log, `servers` are the next hops by name of script."""

    def __init__(self, servers: Mapping[str, ScriptedServer], log: Callable[[], str]) -> None:
        self.servers = servers
        self._log = log

    def outcomes(self, name: str) -> list[str]:
        """How the attempts of a script's message ended, a line a recipient; the same once more is said once, since how many
        attempts there are in a time is not the point."""
        number = _number(name)
        return wait_for(lambda: self._ended(number, SCRIPTS[name]), lambda: f"outcomes of {name}\n{self._of(number)}", _PATIENCE)

    def _ended(self, number: int, script: Script) -> list[str]:
        wanted = script.recipients * script.attempts
        told = [line for line in self._of(number) if " status=" in line]
        finished = [line for line in told if "status=deferred" not in line]
        if len(told) < wanted and len(finished) < script.recipients:
            return []
        return _once(sorted(_plain(line) for line in told[:wanted]) if script.recipients > 1 else map(_plain, told[:wanted]))

    def remarks(self, name: str) -> list[str]:
        """What else the client has logged, each line once."""
        return list(dict.fromkeys(_plain(line) for line in self._of(_number(name)) if " status=" not in line))

    def _of(self, number: int) -> list[str]:
        service = f"/{list(SCRIPTS.values())[number].service}["
        marks = (f" case-{number}{service}", f"@case-{number}.example>")
        lines = [line for line in self._log().splitlines() if any(mark in line for mark in marks)]
        return [line for line in lines if service in line]


def _number(name: str) -> int:
    return list(SCRIPTS).index(name)


def _once(lines: Iterable[str]) -> list[str]:
    """Lines, without those that are as the one before."""
    return [line for line, _ in groupby(lines)]


def _plain(line: str) -> str:
    """A log line without what is another each time: times, ids, ports, versions of the library."""
    text = line.split("]: ", 1)[1]
    text = re.sub(rf"^(warning: )?{QUEUE_ID}: ", r"\1QID: ", text)
    text = re.sub(r", (conn_use=\d+, )?delay=.*?, dsn=", ", dsn=", text)
    text = re.sub(r"(127\.0\.0\.1\]):\d+", r"\1:PORT", text)
    text = re.sub(r"error:.*routines::([a-z ]+).*", r"error: \1", text)
    return re.sub(r"@case-\d+\.", "@case.", text)[:_LONGEST]


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def _lines(certificate: Certificate) -> str:
    """A transport for each script."""
    parsed = x509.load_pem_x509_certificate(certificate.chain.read_bytes())
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    values = {
        "{authority}": str(certificate.authority),
        "{fingerprint}": parsed.fingerprint(SHA256()).hex(":").upper(),
        "{key-fingerprint}": hashlib.sha256(key).digest().hex(":").upper(),
    }
    found = ""
    for name, script in SCRIPTS.items():
        found += f"case-{_number(name)} unix - - n - - {script.service} -o syslog_name=case-{_number(name)}\n"
        for parameter, value in script.parameters.items():
            found += f" -o {{ {parameter} = {values.get(value, value)} }}\n"
    return found


def _routes(servers: Mapping[str, ScriptedServer]) -> str:
    pairs = (f"{{ case-{_number(n)}.example = case-{_number(n)}:[127.0.0.1]:{server.port} }}" for n, server in servers.items())
    return f"inline:{{ {', '.join(pairs)} }}"


def _send_all(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for name, script in SCRIPTS.items():
            to = [f"b{number}@case-{_number(name)}.example" for number in range(script.recipients)]
            client.sendmail("a@example.com", to, "Subject: x\r\n\r\nbody\r\n")


@pytest.fixture(scope="module")
def certificate() -> Iterator[Certificate]:
    folder = Path(tempfile.mkdtemp(prefix="odd-servers-"))
    folder.chmod(0o755)
    yield make(folder / "tls", "odd.example")
    shutil.rmtree(folder)


def _servers(stack: contextlib.ExitStack, certificate: Certificate) -> dict[str, ScriptedServer]:
    return {name: stack.enter_context(ScriptedServer(script, _context(certificate))) for name, script in SCRIPTS.items()}


@pytest.fixture(scope="module")
def theirs(certificate: Certificate) -> Iterator[Played]:
    """Postfix."""
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, certificate)
        main = {**_MAIN, "transport_maps": _routes(servers), "default_process_limit": "500", "compatibility_level": "3.6"}
        main["proxy_write_maps"] = "proxy:btree:$data_directory/auth_cache"
        lines = "proxywrite unix - - n - 1 proxymap\n" + _lines(certificate)
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in main.items()), lines)
        stack.callback(postfix.clean)
        _send_all(postfix.port)
        yield Played(servers, lambda: postfix.log)


@pytest.fixture(scope="module")
def ours(certificate: Certificate) -> Iterator[Played]:
    """Gatepost."""
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, certificate)
        main = {**_MAIN, "transport_maps": _routes(servers)}
        system = stack.enter_context(System(main, MASTER + _lines(certificate)))
        _send_all(system.port)
        yield Played(servers, system.log)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_mail_ends_as_it_does_with_postfix(name: str, ours: Played, theirs: Played) -> None:
    assert ours.outcomes(name) == (SCRIPTS[name].ours or theirs.outcomes(name))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_log_says_what_postfix_says(name: str, ours: Played, theirs: Played) -> None:
    ours.outcomes(name), theirs.outcomes(name)
    assert ours.remarks(name) == (SCRIPTS[name].our_log or theirs.remarks(name))


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.startswith("pix")])
def test_a_firewall_is_worked_around_as_postfix_does(name: str, ours: Played, theirs: Played) -> None:
    ours.outcomes(name), theirs.outcomes(name)
    verbs = [[command.split()[0] for command in played.servers[name].commands[0]] for played in (ours, theirs)]
    assert verbs[0] == verbs[1]


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.startswith("auth") and not SCRIPTS[name].ours])
def test_logins_are_as_postfix_says_them(name: str, ours: Played, theirs: Played) -> None:
    """The commands of a conversation up to the content, and whether it says AUTH=<>. We say no QUIT where the server may still
    wait for a response, and would take it for one."""
    ours.outcomes(name), theirs.outcomes(name)
    said = [[_command(line) for line in played.servers[name].commands[0] if line != "QUIT"] for played in (ours, theirs)]
    assert said[0] == said[1]


def _command(line: str) -> str:
    """A command without what is another for each host."""
    return re.sub(r" SIZE=\d+", "", line) if line[:4] not in ("EHLO", "HELO", "LHLO") else line[:4]


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.startswith("starttls-password")])
def test_a_password_is_never_said_in_the_clear(name: str, ours: Played) -> None:
    ours.outcomes(name)
    server = ours.servers[name]
    assert b"AUTH" not in server.in_clear
    assert b"MAIL FROM" not in server.in_clear
    assert server.taken == (name == "starttls-password-well")
