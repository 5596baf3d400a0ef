"""Dialogues of mail programs and of devices that send mail, as text; each names where their trait is documented.

A dialogue is a paragraph of a file in tests/clients/, its first line `## name`. Lines:

    from TEXT           its source: an address, a standard, a manual page
    set NAME=VALUE      a parameter of its smtpd line
    at SERVICE          submission (TLS is demanded) or smtps (TLS from the first octet); `smtp` where nothing is said
    C: TEXT             a line from the client, in a packet of its own
    +: TEXT             another line in the same packet
    S: TEXT             a reply, as Postfix has it; of EHLO, what is offered besides the usual; `S: end`: it has hung up
    G: TEXT             a line of ours where we differ on purpose (docs/differences.md): it stands for the `S:` lines before it
    tls                 a handshake
    message             a message, and its end
    hangup              the client goes

Octets are written with the escapes of Python; `\\c` at the end of a line stands for no CRLF there; `{text}` is the text in base64;
`AAAA*N` is so many times AAAA.
"""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from tests.support.postfix import QUEUE_ID

FOLDER = Path(__file__).resolve().parents[1] / "clients"
_MESSAGE = b"From: anna@example.net\r\nSubject: by a client\r\n\r\nbody\r\n.\r\n"
_USUAL = ["PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
_PATIENCE = 30.0  # seconds for a reply


class Step(Struct):
    """What a client does (a word, or `C` and the octets of a packet of so many commands), and the replies to it: Postfix's, and
    ours where they are other ones."""

    word: str
    octets: bytes = b""
    commands: int = 1
    theirs: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)


class Dialogue(Struct):
    """`sources`: where the trait is documented; `service`: of the server."""

    name: str
    service: str = "smtp"
    sources: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def expected(self, of_ours: bool) -> list[str]:
        """All replies."""
        return [line for step in self.steps for line in ((step.ours or step.theirs) if of_ours else step.theirs)]


def dialogues() -> dict[str, Dialogue]:
    """All dialogues of the folder, by file and name."""
    found: dict[str, Dialogue] = {}
    for file in sorted(FOLDER.glob("*.txt")):
        for paragraph in f"\n{file.read_text()}".split("\n## ")[1:]:
            one = _parsed(paragraph, file.stem)
            assert one.name not in found, f"two dialogues are called {one.name}"
            assert one.sources, f"{one.name} names no source"
            found[one.name] = one
    return found


def _parsed(paragraph: str, stem: str) -> Dialogue:
    name, *lines = [line for line in paragraph.split("\n") if line]
    one = Dialogue(f"{stem}: {name}", steps=[])
    for line in lines:
        word, _, rest = line.partition(" ")
        match word:
            case "from":
                one.sources.append(rest)
            case "set":
                key, _, value = rest.partition("=")
                one.settings[key] = value
            case "at":
                one.service = rest
            case "C:":
                one.steps.append(Step("C", packet(rest)))
            case "+:":
                one.steps[-1].octets += packet(rest)
                one.steps[-1].commands += 1
            case "S:":
                one.steps[-1].theirs.append(_plain(rest))
            case "G:":
                one.steps[-1].ours.append(_plain(rest))
            case "tls" | "message" | "hangup":
                one.steps.append(Step(word))
            case _:
                raise ValueError(f"{one.name}: {line}")
    return one


def packet(text: str) -> bytes:
    """The octets of a line."""
    text = re.sub(r"AAAA\*(\d+)", lambda match: "AAAA" * int(match[1]), _plain(text))
    end = b"" if text.endswith("\\c") else b"\r\n"
    return _octets(text.removesuffix("\\c")) + end


def _plain(text: str) -> str:
    """With what stands in braces in base64."""
    return re.sub(r"\{(.*?)\}", lambda match: b64encode(_octets(match[1])).decode(), text)


def _octets(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Client:
    """Speaks a client's part, to a server at `port`; what differs from run to run is left out of replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self._file = self._socket.makefile("rb")

    def play(self, dialogue: Dialogue) -> Iterator[list[str]]:
        """The replies to each step."""
        if dialogue.service != "smtps":
            self._greeted()
        for step in dialogue.steps:
            match step.word:
                case "tls":
                    self._secure()
                    if dialogue.service == "smtps":
                        self._greeted()
                    yield []
                case "message":
                    yield self._replies(_MESSAGE, 1)
                case "hangup":
                    yield []
                case _:
                    yield self._replies(step.octets, step.commands)

    def _greeted(self) -> None:
        greeting = self._reply()
        assert greeting.startswith("220 "), greeting

    def _replies(self, octets: bytes, number: int) -> list[str]:
        self._socket.sendall(octets)
        return [self._reply() for _ in range(number)]

    def _reply(self) -> str:
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self._file.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                return "end"
            lines.append(line)
        return offered(lines) if len(lines) > 1 else same(lines[0])

    def _secure(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._file.close()
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def same(line: str) -> str:
    """A reply without what differs from run to run (queue ids, nonces), and without why a login failed: that each says in its own
    words."""
    line = re.sub(rf"queued as {QUEUE_ID}", "queued as QID", line)
    line = re.sub(r"^334 P\S{40,}", "334 NONCE", line)  # <nonce@host>, of CRAM-MD5
    return re.sub(r"^(535 .*: authentication failed): .*", r"\1", line)


def offered(lines: list[str]) -> str:
    """The reply to EHLO in one line: what of TLS and logins is offered, mechanisms in the order of their names; and all of it where
    the rest is not the usual."""
    keywords = [line[4:] for line in lines[1:]]
    special = [keyword for keyword in keywords if re.match("AUTH|STARTTLS", keyword)]
    if [keyword for keyword in keywords if keyword not in special] != _USUAL:
        return " ".join(lines)
    ordered = (re.sub(r"(?<=AUTH[ =]).*", lambda match: " ".join(sorted(match[0].split())), keyword) for keyword in special)
    return f"{lines[0][:3]} {', '.join(ordered)}"
