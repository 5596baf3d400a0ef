"""Which files there are in a message: its parts, and what archives among them hold, one in another, as far as the limits go.

Pure, from memory, in the scanner's process. Of a file that is no archive the first octets are unpacked, which say what it is; of
one that is, all. What cannot be looked into is told (`Unchecked`); it is never a fault, whatever the sender has made of it.
"""

import binascii
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gatepost.filter.archives.budget import Budget
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Format, Member, Overlapping
from gatepost.filter.archives.kinds import CLOSED, FORMATS, HEAD, types, with_end
from gatepost.filter.archives.names import alike, leads_out, names
from gatepost.filter.archives.port import ArchiveFacts, ArchiveLimits, Node, Unchecked
from gatepost.filter.port import Part

_PADDING_WITHIN: Final = re.compile(rb"=[=\s]*+(?P<more>[A-Za-z0-9+/])?")
"""base64 that goes on behind its end: clamd and some mail programs stop there, others do not."""

_PADDING: Final = re.compile(rb"=+")
_NO_LETTER: Final = re.compile(rb"[^A-Za-z0-9+/]+")

_ARCHIVE_NAME: Final = re.compile(
    rb"\.(?:zip|zipx|rar|7z|tar|tgz|gz|bz2|xz|lzma|cab|arj|lha|lzh|iso|img|ace|z|jar|docm|xlsm|vhdx?)$", re.IGNORECASE
)
_STUMBLED: Final = (ArithmeticError, LookupError, ValueError, struct.error)
"""What reading an archive raises that contradicts itself where no reader of it has thought of."""

_MOST_SUSPECTS: Final = 10
_MOST_TO_SCAN: Final = 16
_OCTETS_TO_SCAN: Final = 8 * 1024 * 1024


def listed(
    parts: Sequence[Part],
    size: int,
    limits: ArchiveLimits,
    clock: Callable[[], float] = time.process_time,
) -> ArchiveFacts:
    """The files of a message. `parts`: the nodes of its MIME tree, each before those in it; `size`: its octets; `clock`: seconds of
    processor time."""
    walk = _Walk(Budget(limits, size, clock))
    for part in parts:
        if walk.budget.over or not walk.budget.member():
            break
        walk.part(part)
    return walk.facts()


class _Walk:
    """One message. `budget`: what is left of the limits."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._nodes: list[Node] = []
        self._parts: dict[tuple[int, ...], int] = {}
        self._suspects: list[bytes] = []
        self._to_scan: list[bytes] = []

    def facts(self) -> ArchiveFacts:
        """What has been found."""
        return ArchiveFacts(tuple(self._nodes), tuple(self.budget.reasons), tuple(self._suspects), tuple(self._to_scan))

    def part(self, part: Part) -> None:
        """A node of the message itself; those of a multipart or an attached message are nodes too, and stand behind it."""
        if part.ambiguities:
            self.budget.note(Unchecked.AMBIGUOUS)
        ways = (part.path[:end] for end in range(len(part.path) - 1, -1, -1))
        above = next((self._parts[way] for way in ways if way in self._parts), -1)
        found = () if part.composite else with_end(types(part.content[:HEAD]), part.content)
        index = self._add(Node(names(part.headers, part.name), part.type, found, len(part.content), above))
        self._parts[part.path] = index
        if part.composite:
            return
        self._open(index, part.content, 0)
        if part.encoding == "base64" and any(end["more"] for end in _PADDING_WITHIN.finditer(part.raw)):
            self._read_on(index, part)

    def _read_on(self, index: int, part: Part) -> None:
        """What a part is to whoever goes on behind the end of its base64."""
        octets = b"".join(_continued(part.raw))
        self._have_scanned(octets)
        if octets != part.content:
            node = self._nodes[index]
            self._open(self._add(Node(node.names, node.media_type, with_end(types(octets), octets), len(octets), index)), octets, 0)

    def _add(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _open(self, index: int, octets: bytes, depth: int, inner: Format | None = None) -> None:
        """Look into a file, if it is an archive."""
        found = self._nodes[index].types
        if not CLOSED.isdisjoint(found):
            self.budget.note(Unchecked.UNKNOWN_FORMAT)
        formats = [inner] if inner else [FORMATS[one] for one in found if one in FORMATS]
        if formats and self.budget.deeper(depth):
            for one in formats:
                self._members(index, one(octets), depth + 1)

    def _members(self, archive: int, members: Iterator[Member], depth: int) -> None:
        try:
            for member in members:
                if not self.budget.member():
                    return
                self._member(archive, member, depth)
        except Encrypted:
            self.budget.note(Unchecked.ENCRYPTED)
        except Overlapping:
            self.budget.note(Unchecked.OVERLAP)
        except (Damaged, *_STUMBLED):
            self.budget.note(Unchecked.DAMAGED)

    def _member(self, archive: int, member: Member, depth: int) -> None:
        self.budget.declare(member.size)
        self._suspects += [name for name in member.names if leads_out(name)][: _MOST_SUSPECTS - len(self._suspects)]
        called = alike(member.names)
        if member.encrypted:
            self.budget.note(Unchecked.ENCRYPTED)
        if member.encrypted or member.pieces is None:
            if not member.encrypted and any(map(_ARCHIVE_NAME.search, called)):
                self.budget.note(Unchecked.UNKNOWN_FORMAT)
            self._add(Node(called, "", (), max(member.size, 0), archive, member.encrypted))
            return
        reading = _Reading(member.pieces(), self.budget)
        head = reading.head()
        found = types(head)
        whole = member.foreign or member.inner is not None or not FORMATS.keys().isdisjoint(found) or member.size < len(head)
        octets = reading.all() if whole else head
        found = with_end(found, octets)
        index = self._add(Node(called, "", found, max(member.size, reading.octets), archive))
        if member.foreign and reading.complete:
            self._have_scanned(octets)
        if whole:
            self._open(index, octets, depth, member.inner)

    def _have_scanned(self, octets: bytes) -> None:
        if len(self._to_scan) < _MOST_TO_SCAN and sum(map(len, self._to_scan)) + len(octets) <= _OCTETS_TO_SCAN:
            self._to_scan.append(octets)
        else:
            self.budget.note(Unchecked.OCTETS)


def _continued(raw: bytes) -> Iterator[bytes]:
    """The octets of base64 in several pieces, each with an end of its own."""
    for piece in _PADDING.split(raw):
        letters = _NO_LETTER.sub(b"", piece)
        yield binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"==")


class _Reading:
    """The octets of a member, as far as they are wanted. `octets`: how many have been read; `complete`: there are no more."""

    def __init__(self, pieces: Iterator[bytes], budget: Budget) -> None:
        self.octets = 0
        self.complete = False
        self._pieces = pieces
        self._budget = budget
        self._held = bytearray()

    def head(self) -> bytes:
        """The first of them."""
        self._read(HEAD)
        return bytes(self._held[:HEAD])

    def all(self) -> bytes:
        """All of them; fewer where it is damaged or the limits are reached."""
        self._read(1 << 62)
        octets = bytes(self._held)
        self._held.clear()
        return octets

    def _read(self, wanted: int) -> None:
        try:
            while len(self._held) < wanted and not self._budget.over and not self.complete:
                piece = next(self._pieces, None)
                self.complete = piece is None
                if piece is not None:
                    self._held += piece
                    self.octets += len(piece)
                    self._budget.spend(len(piece))
        except (Damaged, *_STUMBLED):
            self._budget.note(Unchecked.DAMAGED)
            self._pieces = iter(())
