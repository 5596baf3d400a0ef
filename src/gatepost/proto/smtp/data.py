"""Readers of message content: what follows `354`, and the chunks of BDAT (RFC 5321 §4.5.2, RFC 3030).

Both turn wire octets, however they are cut, into canonical content (`mail/content.py`) without keeping more than one
line: whole lines as soon as they are complete, the parts of an overlong line as they come.
"""

import enum
from typing import Final

from gatepost.mail.content import PLAIN_LINE, all_short, dot_line

_HELD_LINE: Final = 65536
_WHOLE_LINE: Final = 2048


class LineEnds(enum.Enum):
    """What `smtpd_forbid_bare_newline` makes of a line that ends in LF alone.

    LENIENT (`no`): it ends a line as CRLF does, also at the end of data. STRICT (`normalize`, `yes`): it ends a line, but
    only CRLF.CRLF ends the data. REJECT (`reject`): as STRICT, and the caller refuses the message (`bare_newline`), so that
    nothing is passed on from the first such line.
    """

    LENIENT = "no"
    STRICT = "normalize"
    REJECT = "reject"


class _Lines:
    """Lines of content, made canonical.

    `size`: octets of canonical content so far, as Postfix counts them: each whole `line_limit` octets of a long line are a record
    of their own, of two octets more. `bare_newline`: LF alone was seen. `plain`: what `feed` gave last is known to be so
    (mail/content.py, `is_plain`); what is known by the way here need not be looked for when it is sent.
    """

    __slots__ = (
        "_blank_cr", "_carry", "_crlf", "_inside_line", "_line_limit", "_partial_line", "_refused", "_rejects", "_strict",
        "bare_newline", "plain", "size",
    )  # fmt: skip

    def __init__(self, line_ends: LineEnds, blank_cr: bool, line_limit: int) -> None:
        self._line_limit = line_limit
        self._partial_line = 0
        self._strict = line_ends is not LineEnds.LENIENT
        self._rejects = line_ends is LineEnds.REJECT
        self._refused = False
        self._blank_cr = blank_cr
        self._carry = b""
        self._inside_line = False
        self._crlf = True
        self.size = 0
        self.bare_newline = False
        self.plain = False

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """`data` after what was carried, split into what can be passed on and what must wait for more."""
        if self._carry:
            data = self._carry + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _HELD_LINE:
            end = len(data) - data.endswith(b"\r")
        block = data[:end]
        self.plain = not self._inside_line and all_short(block, PLAIN_LINE)
        if self._partial_line or not (self.plain or all_short(block, self._line_limit)):
            self._count_records(block)
        return block, data[end:]

    def _count_records(self, block: bytes) -> None:
        """Long lines take more than one record. `block` is whole lines, or a part of one."""
        *whole, part = block.split(b"\n")
        for line in whole:
            length = self._partial_line + len(line) - line.endswith(b"\r")
            self.size += 2 * (length // self._line_limit)
            self._partial_line = 0
        self._partial_line += len(part)

    def _emit(self, out: bytes) -> bytes:
        self.size += len(out)
        return out

    def _canonical(self, line: bytes, *, complete: bool = True) -> bytes:
        """One line without its LF: CR before it removed, stray CR blanked (`cleanup_replace_stray_cr_lf`), CRLF put after it.
        Nothing of a message that will be refused."""
        if complete:
            self._crlf = line.endswith(b"\r")
            self.bare_newline |= not self._crlf
            self._refused = self._rejects and self.bare_newline
            line = (line[:-1] if self._crlf else line) if self._strict else line.rstrip(b"\r")
        if self._refused:
            return b""
        if self._blank_cr and b"\r" in line:
            line = line.replace(b"\r", b" ")
        return line + b"\r\n" if complete else line


def all_crlf(block: bytes) -> bool:
    """Whether every CR and LF of `block`, which ends in a line end, is part of a CRLF: what is lost at its line ends is two octets
    each. Half as dear as counting the three, and a twentieth of a regular expression."""
    lines = block.splitlines()
    return len(block) == len(b"".join(lines)) + 2 * len(lines)


class DataReader(_Lines):
    """Content after DATA: dot-stuffing removed, end of data found (RFC 5321 §4.5.2)."""

    __slots__ = ("_ended", "rest")

    def __init__(self, line_ends: LineEnds = LineEnds.STRICT, *, blank_cr: bool = True, line_limit: int = _WHOLE_LINE) -> None:
        super().__init__(line_ends, blank_cr, line_limit)
        self._ended = False
        self.rest = b""

    @property
    def ended(self) -> bool:
        """The end of data has been seen; `rest` holds the octets after it."""
        return self._ended

    def feed(self, data: bytes) -> bytes:
        """The next part of the content that `data` completes, perhaps empty."""
        block, tail = self._cut(data)
        if block[-1:] != b"\n":
            self._carry, self.plain = tail, False
            return self._emit(self._partial(block)) if block else b""
        body, after = self._split_at_end(block)
        self._carry = b"" if self._ended else tail
        self.rest = after + tail if self._ended else b""
        return self._emit(body)

    def _split_at_end(self, block: bytes) -> tuple[bytes, bytes]:
        """Whole lines as (content, what follows the end of data)."""
        at_start = not self._inside_line
        dot = dot_line(block)
        if self._strict:
            end = self._dot_line(block, dot)
            body, after = (block, b"") if end < 0 else (block[:end], block[end + 3 :])
            self._ended = end >= 0
            if all_crlf(body) and not self._refused and not (at_start and body.startswith(b".\r\n")):
                return self._unstuff(body, at_start, dot), after
            return self._line_by_line(body)[0], after
        if not all_crlf(block):
            return self._line_by_line(block)
        end = self._dot_line(block, dot)
        self._ended = end >= 0
        if end < 0:
            return self._unstuff(block, at_start, dot), b""
        return self._unstuff(block[:end], at_start, dot), block[end + 3 :]

    def _dot_line(self, block: bytes, dot: int) -> int:
        """Where a line `.` CRLF begins that ends the data, among lines that end in CRLF; or -1. `dot`: where the first CRLF before
        a dot is, or -1: most contents are searched once only."""
        if not self._inside_line and (self._crlf or not self._strict) and block.startswith(b".\r\n"):
            return 0
        end = block.find(b"\r\n.\r\n", dot) if dot >= 0 else -1
        return end + 2 if end >= 0 else -1

    def _unstuff(self, body: bytes, at_start: bool, dot: int) -> bytes:
        """Content of lines that all end in CRLF. `dot` as above."""
        if body:
            self._inside_line = False
            self._crlf = True
            if 0 <= dot < len(body) - 2:
                self.plain = False
                body = body[:dot] + body[dot:].replace(b"\r\n.", b"\r\n")
            if at_start and body.startswith(b"."):
                self.plain = False
                body = body[1:]
        return body

    def _line_by_line(self, block: bytes) -> tuple[bytes, bytes]:
        """The slow way, for content with stray CR or LF. A line of one dot that may not end the data vanishes, as in Postfix."""
        self.plain = False
        out: list[bytes] = []
        position = 0
        while position < len(block):
            end = block.index(b"\n", position)
            line, position = block[position:end], end + 1
            if not self._inside_line and line.startswith(b"."):
                bare_dot = not line[1:].rstrip(b"\r") if not self._strict else line in (b".", b".\r")
                if bare_dot and not self._strict:
                    self._ended = True
                    return b"".join(out), block[position:]
                text = self._canonical(line[1:])
                if not bare_dot:
                    out.append(text)
            else:
                out.append(self._canonical(line))
            self._inside_line = False
        return b"".join(out), b""

    def _partial(self, part: bytes) -> bytes:
        """A part of an overlong line."""
        if not self._inside_line and part.startswith(b"."):
            part = part[1:]
        self._inside_line = True
        return self._canonical(part, complete=False)


class BdatReader(_Lines):
    """Content that came in BDAT chunks: text lines made canonical; with `binary` (BINARYMIME) octets as they are."""

    __slots__ = ("_binary", "received")

    def __init__(
        self,
        line_ends: LineEnds = LineEnds.STRICT,
        *,
        blank_cr: bool = True,
        binary: bool = False,
        line_limit: int = _WHOLE_LINE,
    ) -> None:
        super().__init__(line_ends, blank_cr, line_limit)
        self._binary = binary
        self.received = 0

    def feed(self, data: bytes) -> bytes:
        """The next part of the content. `received` counts the octets as they came."""
        self.received += len(data)
        if self._binary:
            return self._emit(data)
        block, self._carry = self._cut(data)
        self.plain = False  # nobody looks for dots here
        if block[-1:] != b"\n":
            self._inside_line = self._inside_line or bool(block)
            return self._emit(self._canonical(block, complete=False))
        self._inside_line = False
        if all_crlf(block) and not self._refused:
            return self._emit(block)
        return self._emit(b"".join([self._canonical(line) for line in block[:-1].split(b"\n")]))

    def finish(self) -> bytes:
        """What remains after the last chunk; a last line without an end gets one."""
        line, self._carry = self._carry, b""
        if not line and not self._inside_line:
            return b""
        self._inside_line = False
        self.size += 2 * ((self._partial_line + len(line) - line.endswith(b"\r") - 1) // self._line_limit)
        return self._emit(self._canonical(line if line.endswith(b"\r") else line + b"\r"))
