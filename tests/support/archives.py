"""Archives that are made as tests need them, and mail around them."""

import base64
import io
import itertools
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable

from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveFacts, ArchiveLimits
from gatepost.filter.port import Part

PROGRAM = b"MZ\x90\0" + b"\0" * 56 + struct.pack("<I", 64) + b"PE\0\0" + b"\0" * 60


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these, the same octets each time: tests are named after them, in each of their processes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, octets in files:
            archive.writestr(zipfile.ZipInfo(name), octets, method)
    return file.getvalue()


def tarred(*files: tuple[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, octets in files:
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            archive.addfile(info, io.BytesIO(octets))
    return file.getvalue()


def encrypted(archive: bytes) -> bytes:
    """The same with the flag that says so, in each of its headers."""
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = archive.find(mark)
        while at >= 0:
            archive = archive[: at + place] + b"\1" + archive[at + place + 1 :]
            at = archive.find(mark, at + 1)
    return archive


def overlapping(count: int, size: int) -> bytes:
    """A zip whose members are all the same octets: so small a file, so many times the size."""
    packed = zlib.compress(b"\0" * size, 9)[2:-4]
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), size, 1, 0) + b"a" + packed
    entries = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(packed), size, 8, 0, 0, 0, 0, 0, 0) + b"%08d" % index
        for index in range(count)
    )
    return local + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), len(local), 0)


def part(octets: bytes, name: str = "file.bin", kind: str = "application/octet-stream", *, number: int = 1) -> Part:
    """An attachment."""
    headers = ((b"Content-Type", f'{kind}; name="{name}"'.encode()),)
    raw = base64.encodebytes(octets)
    return Part((number,), headers, kind, encoding="base64", name=name.encode(), raw=raw, content=octets)


def facts(*parts: Part | bytes, size: int = 0, **limits: object) -> ArchiveFacts:
    """What is found in a message of these parts."""
    numbers = itertools.count(1)
    made = [part(one, number=next(numbers)) if isinstance(one, bytes) else one for one in parts]
    whole = size or sum(len(one.content) for one in made)
    return listed(made, whole, ArchiveLimits(**limits))  # type: ignore[arg-type]


def names(found: ArchiveFacts) -> list[str]:
    """The first name of each file."""
    return [node.names[0].decode() if node.names else "" for node in found.nodes]


def nested(octets: bytes, layers: Iterable[str]) -> bytes:
    """One zip within another, called so from within."""
    for name in layers:
        octets = zipped((name, octets))
    return octets
