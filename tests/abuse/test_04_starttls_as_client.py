"""STARTTLS response injection and stripping (CVE-2021-38371, CVE-2016-0772), as client.

Somebody between us and the next hop takes STARTTLS away, refuses it, talks instead of the next hop, or has another certificate:
mail that must be encrypted waits, no sender, recipient or password is said in the clear, and nothing heard in the clear counts
once TLS is up. All cases go on at one time; then the next hops are well again, and the mail arrives.
"""

import contextlib
import hashlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.support.certificate import Certificate, issue, make
from tests.support.running import System, wait_for
from tests.support.sink import Answer, Sink

_NAME = "mail.example.test"
_OFFERED = (b"STARTTLS", b"PIPELINING", b"8BITMIME")
_AUTH = (b"AUTH PLAIN LOGIN", b"8BITMIME")
_REPLIES = b"250-evil.example\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1\r\n"


def _talks_on(connection: socket.socket) -> None:
    """Says that it is ready, and goes on in the clear."""
    connection.sendall(b"220 2.0.0 go ahead\r\n")
    connection.recv(65536)
    connection.sendall(_REPLIES * 3)
    raise EOFError


def _falls_silent(connection: socket.socket) -> None:
    connection.sendall(b"220 2.0.0 go ahead\r\n")
    while connection.recv(65536):
        pass
    raise EOFError


def _hangs_up(connection: socket.socket) -> None:
    connection.sendall(b"220 2.0.0 go ahead\r\n")
    connection.recv(65536)
    raise EOFError


class Case(Struct, frozen=True):
    """`transport`: a line of master.cf; `answers` and `keywords`: how the next hop misbehaves; `certificate`: whose it is;
    `reason`: what the log says; `well`: what it offers over TLS once all is well; `status`: of the
    mail meanwhile."""

    transport: str
    reason: str
    answers: dict[str, Answer] = {}
    keywords: tuple[bytes, ...] = _OFFERED
    certificate: str = "right"
    well: tuple[bytes, ...] = (b"PIPELINING", b"8BITMIME")
    status: str = "deferred"


ENCRYPTED: dict[str, tuple[str, dict[str, Answer], tuple[bytes, ...]]] = {
    "taken away": ("TLS is required, but was not offered", {}, (b"PIPELINING", b"8BITMIME")),
    "taken away, with AUTH": ("TLS is required, but was not offered", {}, _AUTH),
    "spelled otherwise": ("TLS is required, but was not offered", {}, (b"XXXXXXXX", b"STARTTLSX", b"START TLS")),
    "refused for now": ("refused to start TLS", {"STARTTLS": b"454 4.7.0 not now\r\n"}, _OFFERED),
    "answered with nonsense": ("timed out while receiving the STARTTLS response", {"STARTTLS": b"\xff\xfe\r\n"}, _OFFERED),
    "hung up on": ("lost connection", {"STARTTLS": None}, _OFFERED),
    "replies after it": ("data in the clear before TLS", {"STARTTLS": b"220 go\r\n" + _REPLIES}, _OFFERED),
    "half a reply after it": ("data in the clear before TLS", {"STARTTLS": b"220 go\r\n250-evil"}, _OFFERED),
    "answered before it was asked": ("data in the clear before TLS", {"EHLO": b"250-x\r\n250 STARTTLS\r\n220 go\r\n"}, _OFFERED),
    "talks on in the clear": ("Cannot start TLS", {"STARTTLS": _talks_on}, _OFFERED),
    "falls silent": ("Cannot start TLS", {"STARTTLS": _falls_silent}, _OFFERED),
    "hangs up in the handshake": ("Cannot start TLS", {"STARTTLS": _hangs_up}, _OFFERED),
}
RETURNED: dict[str, tuple[str, dict[str, Answer], tuple[bytes, ...]]] = {
    "refused for good": ("refused to start TLS", {"STARTTLS": b"502 5.5.1 what\r\n"}, _OFFERED),
    "answered with 354": ("refused to start TLS", {"STARTTLS": b"354 go\r\n"}, _OFFERED),
}
"""As with Postfix, a refusal that is not temporary returns the mail: whoever can write it could refuse the mail as well."""
WITH_PASSWORD: dict[str, tuple[str, Answer]] = {
    "refused": ("not sent in the clear", b"454 4.7.0 not now\r\n"),
    "refused for good": ("not sent in the clear", b"502 5.5.1 what\r\n"),
    "talks on in the clear": ("Cannot start TLS", _talks_on),
    "hangs up in the handshake": ("Cannot start TLS", _hangs_up),
    "falls silent": ("Cannot start TLS", _falls_silent),
}
"""Of a server that we have a password for, which we would say in the clear where it offers no TLS."""
_BY_LMTP = {"EHLO": "LHLO"}
CASES = {
    **{f"smtp, {name}": Case("encrypted", *case) for name, case in ENCRYPTED.items()},
    **{
        f"lmtp, {name}": Case("encrypted-lmtp", reason, {_BY_LMTP.get(verb, verb): a for verb, a in answers.items()}, keywords)
        for name, (reason, answers, keywords) in ENCRYPTED.items()
    },
    **{f"smtp, {name}": Case("encrypted", *case, status="bounced") for name, case in RETURNED.items()},
    **{f"lmtp, {name}": Case("encrypted-lmtp", *case, status="bounced") for name, case in RETURNED.items()},
    **{
        f"password, {name}": Case("trusting", reason, {"STARTTLS": answer}, (b"STARTTLS", *_AUTH), well=_AUTH)
        for name, (reason, answer) in WITH_PASSWORD.items()
    },
    "no EHLO": Case("encrypted", "TLS is required, but was not offered", {"EHLO": b"502 5.5.1 what\r\n"}),
    "optional, replies after it": Case("optional", "data in the clear before TLS", {"STARTTLS": b"220 go\r\n" + _REPLIES}),
    "another's name": Case("verified", "Server certificate not verified", certificate="other name"),
    "by nobody we know": Case("verified", "Server certificate not verified", certificate="other authority"),
    "another fingerprint": Case("fingerprinted", "Server certificate not verified", certificate="other name"),
    "wrapped, greeting in the clear": Case("wrapped", "", {"CONNECT": b"220 evil.example ESMTP\r\n"}),
    "wrapped, a dialogue in the clear": Case("wrapped", "", {"CONNECT": b"220 evil.example ESMTP\r\n" + _REPLIES}),
    "password, taken away": Case("with-password", "SASL authentication failed", keywords=_AUTH, well=_AUTH),
    "password, nothing else": Case("with-password", "SASL authentication failed", keywords=(b"AUTH LOGIN",), well=_AUTH),
    "less offered over TLS": Case(
        "encrypted", "refused to start TLS", {"STARTTLS": b"454 4.7.0 not now\r\n"},
        (b"STARTTLS", b"PIPELINING", b"SIZE 10", b"8BITMIME", b"DSN", b"AUTH PLAIN"), well=(b"ENHANCEDSTATUSCODES",),
    ),
}  # fmt: skip

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
optional unix - - n - - smtp -o smtp_tls_security_level=may
encrypted unix - - n - - smtp -o smtp_tls_security_level=encrypt
encrypted-lmtp unix - - n - - lmtp -o lmtp_tls_security_level=encrypt
wrapped unix - - n - - smtp -o smtp_tls_security_level=encrypt -o smtp_tls_wrappermode=yes
verified unix - - n - - smtp -o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=mail.example.test
fingerprinted unix - - n - - smtp -o smtp_tls_security_level=fingerprint -o smtp_tls_fingerprint_cert_match=FINGERPRINT
with-password unix - - n - - smtp -o smtp_tls_security_level=may -o smtp_sasl_auth_enable=yes
 -o smtp_sasl_password_maps=static:user:secret -o smtp_sasl_tls_security_options=noanonymous
trusting unix - - n - - smtp -o smtp_tls_security_level=may -o smtp_sasl_auth_enable=yes
 -o smtp_sasl_password_maps=static:user:secret -o smtp_sasl_security_options=noanonymous
"""
_SHORT = ("connect", "helo", "starttls", "mail", "rcpt", "data_init", "data_xfer", "data_done", "quit")


class World:
    """A system, and a next hop for each case: mail for `number@case.example` goes to the sink of that number."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        folder = Path(tempfile.mkdtemp(prefix="gatepost-tls-"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        right, other = make(folder / "right", _NAME), make(folder / "other", _NAME)
        self.contexts = {
            "right": _context(right),
            "other name": _context(issue(folder / "third", "evil.example.test", folder / "right")),
            "other authority": _context(other),
        }
        self.sinks = {
            name: stack.enter_context(
                Sink(case.answers, keywords=case.keywords, tls=self.contexts[case.certificate], keywords_over_tls=case.well,
                     wrapped=case.transport == "wrapped")
            )
            for name, case in CASES.items()
        }  # fmt: skip
        self.names = {name: f"case-{number}" for number, name in enumerate(CASES)}
        routes = ", ".join(f"{{ {self.names[name]}.example = {self._route(name)} }}" for name in CASES)
        main = {f"{program}_{limit}_timeout": "2s" for program in ("smtp", "lmtp") for limit in _SHORT if limit != "helo"} | {
            "smtp_helo_timeout": "2s",
            "lmtp_lhlo_timeout": "2s",
            "smtp_tls_CAfile": str(right.authority),
            "smtp_tls_fingerprint_digest": "sha256",
            "transport_maps": f"inline:{{{routes}}}",
        }
        self.system = stack.enter_context(System(main, _MASTER.replace("FINGERPRINT", _fingerprint(right))))
        for name in CASES:
            assert self.system.send(f"X-Id: {self.names[name]}\r\n\r\nbody\r\n", to=self.address(name))

    def _route(self, name: str) -> str:
        host = f"[127.0.0.1]:{self.sinks[name].port}"
        return f"{CASES[name].transport}:{'inet:' * ('lmtp' in CASES[name].transport)}{host}"

    def address(self, name: str) -> str:
        """The recipient of a case."""
        return f"b@{self.names[name]}.example"

    def ending(self, name: str) -> str:
        """The log line that says why the mail of a case waits, or was returned."""
        return self.system.logged(f"to=<{self.address(name)}>", f"status={CASES[name].status}")


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def _fingerprint(certificate: Certificate) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.chain.read_text())).hexdigest()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(stack)


@pytest.fixture(scope="module")
def well(world: World) -> World:
    """The same world after all mail was put off, with nobody in between any more."""
    for name in CASES:
        world.ending(name)
    for sink in world.sinks.values():
        sink.answers, sink.keywords, sink.tls = {}, (b"STARTTLS", *sink.keywords), world.contexts["right"]
    return world


@pytest.mark.parametrize("name", CASES)
def test_mail_waits_and_nothing_of_it_is_said_in_the_clear(world: World, name: str) -> None:
    assert CASES[name].reason in world.ending(name)
    sink = world.sinks[name]
    verbs = {line.split(b" ")[0] for line in sink.in_clear}
    assert verbs <= {b"EHLO", b"HELO", b"LHLO", b"STARTTLS", b"QUIT"}
    assert not sink.taken


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.status == "deferred"])
def test_it_arrives_once_all_is_well(well: World, name: str) -> None:
    sink = well.sinks[name]
    wait_for(lambda: sink.taken, lambda: well.system.log()[-5000:], 20)
    (message,) = sink.taken
    assert message.secure
    if CASES[name].well == (b"ENHANCEDSTATUSCODES",):  # what was offered in the clear is not used
        assert message.sender == b"<a@example.com>"


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("password, ") and name != "password, nothing else"])
def test_passwords_go_over_tls_only(well: World, name: str) -> None:
    sink = well.sinks[name]
    wait_for(lambda: sink.taken, "the message", 20)
    assert any(line.startswith(b"AUTH ") for line in sink.commands)
    assert not any(line.startswith(b"AUTH ") for line in sink.in_clear)
    assert "secret" not in well.system.log()


def test_optional_tls_does_without_where_there_is_none() -> None:
    """RFC 3207 §4.1: what `may` allows, so that the tests above are not true by accident."""
    with Sink() as sink, System({"smtp_tls_security_level": "may"}, relay=sink.port) as system:
        assert system.send()
        wait_for(lambda: sink.taken, "the message")
        assert not sink.taken[0].secure
