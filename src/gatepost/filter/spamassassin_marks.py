"""What SpamAssassin says of a message in headers and in a report (Mail::SpamAssassin::Conf: `report_safe 0`, `report`), for
clients of a `spamd` service. What amavisd-new says, and mail that goes through us has, is admission/filtering/marks.py.

A message is bytes as a client has them: lines end in LF or in CR LF, and what is added ends as its first line does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

# No group is repeated without a limit: for each time `re` keeps some sixty octets to go back.
_FORGED: Final = re.compile(rb"^x-spam-.*?(?:\n(?![ \t])|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_ENVELOPE: Final = re.compile(rb"(?:(?:From |Return-Path:).*?\n(?![ \t])){1,20}", re.IGNORECASE | re.DOTALL)
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_PIECES: Final = re.compile(r"[^ ,]+[ ,]?|[ ,]")
_KINDS: Final[Mapping[str, str]] = {"body": "BODY: ", "rawbody": "RAW: ", "uri": "URI: "}
_MOST_STARS: Final = 50
_LINE: Final = 78
_SHOWN: Final = 200  # characters of a description


class Hit(Struct, frozen=True):
    """A rule that hit: its name, points, kind (`body`, `rawbody`, `uri` ...) and description."""

    rule: str
    score: float
    kind: str = ""
    description: str = ""


class Scored(Struct, frozen=True):
    """What is said of a message. `host`: who says it; `version`: of the software."""

    score: float
    required: float
    tests: tuple[Hit, ...]
    host: str
    version: str

    @property
    def is_spam(self) -> bool:
        return self.score >= self.required

    @property
    def names(self) -> str:
        """Of the rules that hit."""
        return ",".join(test.rule for test in self.tests)


def split(message: bytes) -> tuple[bytes, bytes]:
    """Headers, with the empty line after them, and body. Without an empty line all are headers."""
    if message.startswith((b"\n", b"\r\n")):
        end = message.index(b"\n") + 1
        return message[:end], message[end:]
    ends = [at + len(mark) for mark in (b"\n\n", b"\n\r\n") if (at := message.find(mark)) >= 0]
    end = min(ends, default=len(message))
    return message[:end], message[end:]


def marked(head: bytes, scored: Scored) -> bytes:
    """Headers with what is said of the message, below its envelope, and without what others say."""
    line_end = b"\r\n" if head[: head.find(b"\n") + 1].endswith(b"\r\n") else b"\n"
    clean = _FORGED.sub(b"", head)
    envelope = _ENVELOPE.match(clean)
    place = envelope.end() if envelope else 0
    said = "".join(f"{name}: {value}\n" for name, value in _headers(scored)).encode().replace(b"\n", line_end)
    return clean[:place] + said + clean[place:]


def _headers(scored: Scored) -> Iterator[tuple[str, str]]:
    yield "X-Spam-Checker-Version", f"Gatepost {scored.version} on {scored.host}"
    if scored.is_spam:
        yield "X-Spam-Flag", "YES"
    yield "X-Spam-Level", "*" * max(0, min(_MOST_STARS, int(scored.score)))
    yield "X-Spam-Status", _folded("X-Spam-Status", _status(scored))
    if scored.is_spam:
        yield "X-Spam-Report", "\n\t* ".join(("", *(f"{_points(test.score)} {test.rule} {_told(test)}" for test in scored.tests)))


def _status(scored: Scored) -> str:
    return (
        f"{'Yes' if scored.is_spam else 'No'}, score={scored.score:.1f} required={scored.required:.1f}"
        f" tests={scored.names or 'none'} autolearn=no autolearn_force=no version={scored.version}"
    )


def _folded(name: str, value: str) -> str:
    """A value in lines of 78 characters, broken after commas and blanks."""
    lines, room = [""], _LINE - len(name) - 2
    for piece in _PIECES.findall(value):
        if lines[-1] and len(piece.rstrip()) > room:
            lines.append("")
            room = _LINE - 1
        lines[-1] += piece
        room -= len(piece)
    return "\n\t".join(line.rstrip() for line in lines)


def report(scored: Scored) -> bytes:
    """For people, as SpamAssassin's own template has it; without a preview of the text."""
    found = (
        "has identified this incoming email as possible spam."
        if scored.is_spam
        else "has NOT identified this incoming email as spam."
    )
    lines: Sequence[str] = (
        f'Spam detection software, running on the system "{scored.host}",',
        found,
        "",
        f"Content analysis details:   ({scored.score:.1f} points, {scored.required:.1f} required)",
        "",
        " pts rule name              description",
        "---- ---------------------- " + "-" * 50,
        *(f"{_points(test.score)} {test.rule:<22} {_told(test)}" for test in scored.tests),
        "",
        "",
    )
    return "\n".join(lines).encode()


def _points(score: float) -> str:
    text = f"{score:4.1f}"
    return text if len(text) <= len("1000") else f"{score:4.0f}"


def _told(test: Hit) -> str:
    words = _UNPRINTABLE.sub("?", test.description[:_SHOWN]) or "No description available."
    return _KINDS.get(test.kind, "") + words
