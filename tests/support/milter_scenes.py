"""Dialogues with mail filters behind a mail server, as text: what is configured, what the filters answer, what a client says.

A scene is a paragraph of a file in tests/milters/, its first line `## name`. Lines:

    set NAME=VALUE      a parameter of this smtpd line; `%1`, `%2` are the sockets of the filters. Where smtpd_milters is not
                        set, it names all of them
    filter [OPTION…]    one more filter: steps=, actions=, version= (numbers), macros=, negotiation= (octets), unix
    on STEP ANSWER…     what it says at a step, by the letter of the command: `on R:<bad@ reject` where the packet holds those
                        octets, `on R reject` else; it says `continue` where nothing is said here. Several answers are packets
                        behind one another: `on E add X-A 1 ; continue`
    > TEXT              a line from the client, whose reply is waited for
    message             the usual one, and its end; `message TEXT` has one more header
    tls [certificate]   a handshake, with or without a certificate of the client's
    hangup              the client goes
    connect             a new session

Octets are written with the escapes of Python, so that a word has no blank: `\\x20` is one.
"""

import re
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct, field

from tests.support import milters
from tests.support.certificate import Certificate
from tests.support.milters import ScriptedFilter

FOLDER = Path(__file__).resolve().parents[1] / "milters"
USUAL = "X-A: 1\r\nSubject:  two blanks\r\n\tand a tab\r\nX-Tab:\tx\r\nReceived: from x by y; z\r\nX-A: 2\r\n\r\nbody\r\n..dot\r\n."


class FilterScript(Struct):
    """One filter. `options`: as `filter` names them; `answers`: by step."""

    options: tuple[str, ...]
    answers: dict[str, bytes | None] = field(default_factory=dict)


class Scene(Struct):
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    filters: list[FilterScript] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def scenes() -> dict[str, Scene]:
    """All scenes of the folder, by file and name."""
    found: dict[str, Scene] = {}
    for file in sorted(FOLDER.glob("*.txt")):
        for paragraph in f"\n{file.read_text()}".split("\n## ")[1:]:
            scene = _parsed(paragraph, file.stem)
            assert scene.name not in found, f"two scenes are called {scene.name}"
            found[scene.name] = scene
    return found


def _parsed(paragraph: str, stem: str) -> Scene:
    name, *lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
    scene = Scene(f"{stem}: {name}")
    for line in lines:
        word, _, rest = line.partition(" ")
        match word:
            case "set":
                key, _, value = rest.partition("=")
                scene.settings[key] = value
            case "filter":
                scene.filters.append(FilterScript(tuple(rest.split())))
            case "on":
                step, _, answer = rest.partition(" ")
                scene.filters[-1].answers[_octets(step).decode("latin-1")] = _answer(answer)
            case _:
                scene.steps.append(line)
    return scene


def _octets(word: str) -> bytes:
    return word.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def _answer(text: str) -> bytes | None:
    """The packets of an answer; None: silence."""
    if text == "silence":
        return None
    return b"".join(_packet(*map(_octets, one.split())) for one in text.split(" ; "))


def _packet(name: bytes, *words: bytes) -> bytes:
    return _PACKETS[name.decode()](words)


_PACKETS: Mapping[str, Callable[[tuple[bytes, ...]], bytes]] = {
    **{
        name: (lambda words, packet=getattr(milters, name.upper()): packet)
        for name in ("continue", "accept", "reject", "tempfail", "discard", "skip", "shutdown", "progress")
    },
    "gone": lambda words: b"",
    "raw": lambda words: b" ".join(words),
    "reply": lambda words: milters.say("y", b" ".join(words) + b"\0"),
    "add": lambda words: milters.add(words[0], b" ".join(words[1:])),
    "insert": lambda words: milters.insert(int(words[0]), words[1], b" ".join(words[2:])),
    "change": lambda words: milters.change(int(words[0]), words[1], b" ".join(words[2:])),
    "body": lambda words: milters.body(b" ".join(words)),
    "sender": lambda words: milters.sender(words[0], b" ".join(words[1:])),
    "recipient": lambda words: milters.recipient(words[0], b" ".join(words[1:]) if len(words) > 1 else None),
    "remove": lambda words: milters.no_recipient(words[0]),
    "quarantine": lambda words: milters.quarantine(b" ".join(words)),
}


def filter_of(script: FilterScript, folder: Path, name: str) -> ScriptedFilter:
    """The filter, listening. A UNIX-domain socket is made in `folder`."""
    options = dict(option.partition("=")[::2] for option in script.options)
    return ScriptedFilter(
        script.answers,
        steps=int(options.get("steps", "0"), 0),
        actions=int(options.get("actions", "0x1ff"), 0),
        version=int(options.get("version", "6"), 0),
        macros=_octets(options.get("macros", "")),
        negotiation=_octets(options["negotiation"]) if "negotiation" in options else None,
        path=folder / name if "unix" in options else None,
    )


class Client:
    """Speaks the client's part of a scene, to a server at `port`. `said`: the replies, the greeting first; `end`: it hung up."""

    def __init__(self, port: int, certificate: Certificate) -> None:
        self._port, self._certificate = port, certificate
        self.said: list[str] = []
        self.sessions = 0
        self._socket = socket.socket()
        self._gone = True

    def play(self, scene: Scene) -> None:
        """All of it; at its end the client takes its leave."""
        self._connect()
        for step in scene.steps:
            word, _, rest = step.partition(" ")
            match word:
                case "connect":
                    self._leave()
                    self._connect()
                case "hangup":
                    self._hang_up()
                case "tls":
                    self._secure(rest)
                case "message":
                    if not self._gone and self.said[-1].startswith("354"):
                        self._say("\r\n".join(one for one in (f"X-Case: {scene.name}", rest, USUAL) if one))
                case ">":
                    self._say(rest)
                case _:
                    raise ValueError(step)
        self._leave()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
        self._file = self._socket.makefile("rb")
        self.sessions += 1
        self._gone = False
        self._hear()

    def _say(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._socket.sendall(_octets(text) + b"\r\n")
        except OSError:
            self._hang_up()
            self.said.append("end")
        else:
            self._hear(keep=not text.startswith("EHLO"))  # not what it offers

    def _hear(self, *, keep: bool = True) -> None:
        lines: list[str] = []
        try:
            while (got := self._file.readline().decode("latin-1")) and got[3:4] == "-":
                lines.append(got)
        except OSError:
            got = ""
        if not got:
            self.said.append("end")
            self._hang_up()
        elif keep or not got.startswith("250"):
            self.said.append("".join((*lines, got)))

    def _secure(self, manner: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # so that both settle on the same cipher
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        if manner:
            context.load_cert_chain(self._certificate.chain, self._certificate.key)
        self._file.close()
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")

    def _leave(self) -> None:
        if not self._gone:
            self._say("QUIT")
        self._hang_up()

    def _hang_up(self) -> None:
        self._gone = True
        self._file.close()
        self._socket.close()


def heard(one: ScriptedFilter, port: int) -> list[tuple[str, str]]:
    """What a filter was told, less the port of the client, and how often a message was given up. `port`: of the server."""
    told = []
    for letter, data in one.told("DCHMRTULNBE"):
        plain = re.sub(rb"\0([46])..", rb"\0\1", data, flags=re.DOTALL) if letter == "C" else data
        plain = re.sub(rb"(\{client_port\}\0)[1-9]\d*", rb"\1PORT", plain).replace(b"%d" % port, b"OURS")
        told.append((letter, plain.decode("latin-1")))
    return told


def offered(one: ScriptedFilter) -> list[str]:
    """What it was offered: version, actions, steps."""
    return ["offer {} {:#x} {:#x}".format(*struct.unpack("!III", data[:12])) for data in one.offers]
