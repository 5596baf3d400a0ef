"""Archives and messages that others test their programs with: members are found, and whatever is wrong with one is no fault.

They are read from `GATEPOST_DATA` (default: the folder `shared/data` beside the project). Where that is missing the tests are
left out, but in CI its absence is an error.
"""

import os
from pathlib import Path

import pytest

from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveFacts, ArchiveLimits, Unchecked
from gatepost.filter.port import Part
from gatepost.filter.text.parts import parts

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[3] / "shared" / "data"))
ARCHIVES = DATA / "vectors" / "archives"
MESSAGES = DATA / "vectors" / "mime"

if not ARCHIVES.exists() and os.environ.get("CI") != "true":
    pytest.skip(f"no archives in {ARCHIVES}", allow_module_level=True)


def of_file(path: str) -> ArchiveFacts:
    octets = (ARCHIVES / path).read_bytes()
    return listed([Part((1,), (), "application/octet-stream", content=octets)], len(octets), ArchiveLimits())


def of_message(path: Path) -> ArchiveFacts:
    octets = path.read_bytes().replace(b"\r\n", b"\n")
    if octets.startswith(b"From "):  # the line between two messages of a mailbox file
        octets = octets.partition(b"\n")[2]
    return listed(parts(octets), len(octets), ArchiveLimits())


XML = ["test1.xml", "test2.xml"]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("commons-compress/bla.7z", XML),
        ("commons-compress/bla.deflate.7z", XML),
        ("commons-compress/bla.zip", XML),
        ("commons-compress/bla.ar", XML),
        ("commons-compress/bla.cpio", ["./test1.xml", "./test2.xml"]),
        ("commons-compress/bla.unix.arj", XML),
        ("commons-compress/bla.tgz", ["", *XML]),
        ("commons-compress/bla.tar.xz", ["", *XML]),
        ("commons-compress/bla.tar.lzma", ["", *XML]),
        ("commons-compress/bla.lha", ["rle.txt"]),
        ("commons-compress/test-macos-l1.lha", ["dir1/dir1-1/test1.txt", "dir1/dir1-2/test2.txt"]),
        ("commons-compress/test-amiga-l2.lha", ["dir1/dir1-1/test1.txt", "dir1/dir1-2/test2.txt"]),
        ("commons-compress/OSX_ArchiveWithNestedArchive.zip", ["NestedArchiv.zip", *XML[:1], "test2.xml", "test3.xml"]),
        ("commons-compress/longfile_gnu.ar", ["this_is_a_long_file_name.txt", "this_is_a_long_file_name_as_well.txt"]),
        ("commons-compress/utf8-7zip-test.zip", ["ascii.txt", "Ölfässer.txt", "€_for_Dollar.txt"]),
        ("commons-compress/COMPRESS-621.zip", ["COMPRESS-621.txt"]),
        ("go-zip/test-prefix.zip", ["test.txt", "gophercolor16x16.png"]),
        ("go-zip/zip64-2.zip", ["README"]),
    ],
)
def test_members(path: str, names: list[str]) -> None:
    found = of_file(path)
    assert [node.names[0].decode() if node.names else "" for node in found.nodes[1:]] == names


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("commons-compress/bla.encrypted.7z", Unchecked.ENCRYPTED),
        ("commons-compress/COMPRESS-542-2.7z", Unchecked.DAMAGED),
        ("commons-compress/COMPRESS-529-fail.tar", Unchecked.DAMAGED),
        ("commons-compress/COMPRESS-530-fail.tar", Unchecked.DAMAGED),
        ("commons-compress/org/apache/commons/compress/zip/createBoundedInputStream.bin", Unchecked.OCTETS),
        ("commons-compress/COMPRESS-490/ArrayIndexOutOfBoundsException1.lz4", Unchecked.UNKNOWN_FORMAT),
    ],
)
def test_what_cannot_be_known(path: str, reason: Unchecked) -> None:
    assert reason in of_file(path).unchecked


def test_no_archive_is_a_fault() -> None:
    files = [path for path in ARCHIVES.rglob("*") if path.is_file()]
    assert len(files) > 90
    for path in files:
        assert of_file(str(path.relative_to(ARCHIVES))).nodes, path


def test_no_message_is_a_fault() -> None:
    files = [path for path in MESSAGES.rglob("*") if path.is_file()]
    assert len(files) > 500
    for path in files:
        assert of_message(path).nodes, path


def test_a_sparse_file_is_as_large_as_it_becomes() -> None:
    for path in ("commons-compress/posix00_sparse.tar", "commons-compress/posix10_sparse.tar"):
        assert of_file(path).nodes[1].size == 3_101_184


def test_archives_in_messages() -> None:
    found = of_message(ARCHIVES / "pymilter" / "ziploop")
    assert [node.types for node in found.nodes[-3:]] == [("zip",), ("zip",), ("asc",)]
    assert found.nodes[-1].names[0].endswith(b".exe")
    assert Unchecked.DAMAGED in of_message(ARCHIVES / "pymilter" / "zip3").unchecked
