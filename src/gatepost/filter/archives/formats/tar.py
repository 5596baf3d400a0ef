"""tar: ustar, GNU and pax (tar(5)), sparse files as well, of which only what is stored is looked at."""

from collections.abc import Iterator
from typing import Final

from gatepost.filter.archives.formats.cursor import digits
from gatepost.filter.archives.formats.member import Damaged, Member, stored

BLOCK: Final = 512
_LONGEST: Final = 65536
"""Octets of a name, or of pax records, that are read."""
_FILES: Final = frozenset(b"\x000 7S")
_LINKS: Final = frozenset(b"12")


def is_header(octets: bytes, at: int = 0) -> bool:
    """Whether a block is a header: its checksum counts its own field as blanks; old programs added octets with their sign."""
    block = octets[at : at + BLOCK]
    if len(block) < BLOCK or not block[0]:
        return False
    try:
        wanted = int(block[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    total = sum(block) - sum(block[148:156]) + 8 * 32
    return wanted in (total, total - 256 * sum(octet > 127 for octet in block))


def members(octets: bytes) -> Iterator[Member]:
    """As `Format` has it."""
    at = 0
    name = b""
    records: dict[bytes, bytes] = {}
    while at + BLOCK <= len(octets) and octets[at]:
        if not is_header(octets, at):
            raise Damaged
        block = octets[at : at + BLOCK]
        kind, size = block[156], _number(block[124:136])
        if b"size" in records and records[b"size"].isdigit():
            size = int(records[b"size"][:20])
        data = at + BLOCK
        if kind == ord("S"):
            data += _sparse_headers(octets, data, block) * BLOCK
        at = data + -(-size // BLOCK) * BLOCK
        if kind in b"LKxg":
            field = octets[data : data + min(size, _LONGEST)]
            if kind == ord("L"):
                name = field.partition(b"\0")[0]
            elif kind == ord("x"):
                records = _records(field)
            continue
        if kind in _FILES or kind in _LINKS:
            names = records.get(b"path") or records.get(b"GNU.sparse.name") or name or _ustar_name(block)
            yield Member(
                (names,), _real_size(block, kind, size, records), pieces=stored(octets, data, size if kind in _FILES else 0)
            )
        name, records = b"", {}
    if at > len(octets):
        raise Damaged


def _number(field: bytes) -> int:
    """Octal digits, or a number of 95 bits (the first bit set). Raises Damaged."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & (1 << 63) - 1
    return digits(field.strip(b" \0") or b"0", 8)


def _ustar_name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _real_size(block: bytes, kind: int, size: int, records: dict[bytes, bytes]) -> int:
    """What a sparse file is when it is unpacked."""
    for key in (b"GNU.sparse.realsize", b"GNU.sparse.size"):
        if records.get(key, b"").isdigit():
            return int(records[key][:20])
    return max(_number(block[483:495]), size) if kind == ord("S") else size


def _sparse_headers(octets: bytes, at: int, block: bytes) -> int:
    """How many blocks of a map follow the header of a sparse file in the old form; the data comes after them."""
    count, more = 0, block[482]
    while more and at + BLOCK <= len(octets):
        more = octets[at + 504]
        at += BLOCK
        count += 1
    return count


def _records(field: bytes) -> dict[bytes, bytes]:
    """`LENGTH KEY=VALUE` lines of a pax header."""
    records = {}
    at = 0
    while at < len(field):
        digits = field[at : at + 8].partition(b" ")[0]
        if not digits.isdigit() or not int(digits):
            break
        record = field[at + len(digits) + 1 : at + int(digits) - 1]
        key, _, value = record.partition(b"=")
        records[key] = value
        at += int(digits)
    return records
