"""Class 11: archives that are made to hurt who opens them. Each is listed as far as the limits go, by a process with little memory
and little time; what was not looked at is told."""

import bz2
import gzip
import io
import lzma
import resource
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveLimits, Unchecked
from gatepost.filter.port import Part
from tests.support.archives import nested, overlapping, tarred, zipped

_MEMORY = 600 << 20
_SECONDS = 30
"""Of processor time, for one archive, on a slow machine; filter_archive_time_limit is 10."""


def zeros(size: int = 200 << 20, piece: int = 1 << 20) -> bytes:
    """gzip of very many zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(piece)) for _ in range(size // piece)) + packer.flush()


def quine() -> bytes:
    """A gzip file that unpacks to itself (Russ Cox, https://research.swtch.com/zip), in as many layers as are looked for."""
    octets = b"x"
    for _ in range(200):
        octets = gzip.compress(octets)
    return octets


def tree(width: int = 10, depth: int = 6) -> bytes:
    """Zips of zips, as 42.zip is: ten to the sixth of the innermost file."""
    octets = zipped(("0.bin", bytes(1 << 20)))
    for _ in range(depth):
        octets = zipped(*((f"{index}.zip", octets) for index in range(width)))
    return octets


def many() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(60_000):
            archive.writestr(str(index), b"")
    return file.getvalue()


def iso_of_circles() -> bytes:
    """A folder that is in itself, in each of its sectors."""
    place = (18).to_bytes(4, "little") + bytes(4) + (4 << 20).to_bytes(4, "little")
    record = bytes((34, 0)) + place + bytes(11) + b"\2" + bytes(6) + b"\1a"
    descriptor = b"\1CD001\1" + bytes(149) + record
    volume = descriptor.ljust(2048, b"\0") + b"\xffCD001".ljust(2048, b"\0")
    return bytes(0x8000) + volume + (record * 60).ljust(2048, b"\0") * 2048


def ole_of_circles() -> bytes:
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0"))
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = header[60:64] = header[68:72] = (0).to_bytes(4, "little")
    header[72:76] = (1 << 30).to_bytes(4, "little")
    return bytes(header) + bytes(4 << 20)


def exabytes() -> bytes:
    """tar with a file that is said to be so large."""
    info = tarfile.TarInfo("a")
    info.size = 1 << 60
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)


BOMBS: dict[str, tuple[Callable[[], bytes], set[Unchecked]]] = {
    "gzip of zeros": (zeros, {Unchecked.RATIO, Unchecked.OCTETS}),
    "bzip2 of zeros": (lambda: bz2.compress(bytes(120 << 20)), {Unchecked.RATIO, Unchecked.OCTETS}),
    "xz of zeros": (lambda: lzma.compress(bytes(120 << 20)), {Unchecked.RATIO, Unchecked.OCTETS}),
    "42.zip": (tree, {Unchecked.RATIO, Unchecked.MEMBERS}),
    "overlapping members": (lambda: overlapping(10_000, 10 << 20), {Unchecked.RATIO, Unchecked.OCTETS, Unchecked.OVERLAP}),
    "two that overlap": (lambda: overlapping(2, 1000), {Unchecked.OVERLAP}),
    "sixty thousand members": (many, {Unchecked.MEMBERS}),
    "a hundred zips in each other": (lambda: nested(b"x", [f"{n}.zip" for n in range(100)]), {Unchecked.DEPTH}),
    "gzip within itself": (quine, {Unchecked.DEPTH}),
    "a sparse file of exabytes": (
        exabytes,
        {Unchecked.DAMAGED, Unchecked.OCTETS},
    ),
    "gzip members of nothing": (lambda: gzip.compress(b"") * 200_000, set(Unchecked)),
    "folders within themselves": (iso_of_circles, {Unchecked.DAMAGED, Unchecked.MEMBERS}),
    "sectors within themselves": (ole_of_circles, {Unchecked.DAMAGED}),
    "paths that lead out": (lambda: tarred(*((f"../../{n}/etc/passwd", b"x") for n in range(3))), set()),
    "a dictionary of four gigabytes": (lambda: b"\x5d\0\0\0\x80" + b"\xff" * 8 + b"\0" * 100, {Unchecked.DAMAGED}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    make, expected = BOMBS[name]
    read = subprocess.run(
        [sys.executable, "-m", "tests.abuse.test_11_archives"], input=make(), capture_output=True, preexec_fn=_poor
    )
    assert read.returncode == 0, read.stderr.decode()[-2000:]
    told = set(read.stdout.decode().split("\n")[:-1])
    if expected != set(Unchecked):
        assert (told & {one.name for one in expected}) or told == expected


def _poor() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


def main() -> None:
    octets = sys.stdin.buffer.read()
    found = listed([Part((1,), (), "application/octet-stream", content=octets)], len(octets), ArchiveLimits())
    for one in found.unchecked:
        print(one.name)


if __name__ == "__main__":
    main()
