"""What is found in attachments: members, types by content, and what cannot be known; within limits, whatever the sender made."""

import bz2
import contextlib
import gzip
import lzma
import struct
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.archives import PROGRAM, encrypted, facts, names, nested, overlapping, part, tarred, zipped

from gatepost.filter.archives.formats.member import Damaged, Encrypted, Overlapping
from gatepost.filter.archives.kinds import FORMATS, types
from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.names import leads_out
from gatepost.filter.archives.names import names as part_names
from gatepost.filter.archives.port import ArchiveLimits, Unchecked
from gatepost.filter.port import Part

TEXT = b"Dear Sir,\r\n"


def lzma_alone(octets: bytes) -> bytes:
    return lzma.compress(octets, lzma.FORMAT_ALONE)


@pytest.mark.parametrize(
    "archive",
    [
        zipped(("evil.txt", PROGRAM)),
        zipped(("evil.txt", PROGRAM), method=zipfile.ZIP_STORED),
        zipped(("evil.txt", PROGRAM), method=zipfile.ZIP_BZIP2),
        zipped(("evil.txt", PROGRAM), method=zipfile.ZIP_LZMA),
        tarred(("evil.txt", PROGRAM)),
        b"in front of it" + zipped(("evil.txt", PROGRAM)),
        PROGRAM + zipped(("evil.txt", PROGRAM)),
        zipped(("evil.txt", PROGRAM))[:-60],
    ],
)
def test_a_program_is_seen_under_another_name(archive: bytes) -> None:
    found = facts(archive)
    assert names(found)[1] == "evil.txt"
    assert found.nodes[1].types == ("exe", "exe-ms")
    assert found.nodes[1].parent == 0


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda octets: lzma.compress(octets, lzma.FORMAT_ALONE)]
)
def test_compressed(pack: object) -> None:
    found = facts(pack(tarred(("a/evil.txt", PROGRAM))))  # type: ignore[operator]
    assert [node.types for node in found.nodes][1:] == [("tar",), ("exe", "exe-ms")]
    assert found.unchecked == ()


def test_one_in_another() -> None:
    inner = tarred(("deep.zip", zipped(("evil.txt", PROGRAM))), mode="w:gz")
    found = facts(zipped(("a.tgz", inner), ("letter.txt", TEXT)))
    assert [(node.types[-1], node.parent) for node in found.nodes] == [
        ("zip", -1), ("gz", 0), ("tar", 1), ("zip", 2), ("exe-ms", 3), ("asc", 0),
    ]  # fmt: skip


def test_encrypted() -> None:
    found = facts(encrypted(zipped(("secret.exe", PROGRAM))))
    assert (names(found), found.unchecked, found.nodes[1].encrypted) == (["file.bin", "secret.exe"], (Unchecked.ENCRYPTED,), True)


def test_uuencoded_text() -> None:
    text = b"see below\r\n\r\nbegin 644 evil.com\r\n%34I0``,```\r\n`\r\nend\r\n"
    found = facts(Part((1,), (), "text/plain", content=text))
    assert names(found) == ["", "evil.com"]


def test_depth() -> None:
    deep = nested(PROGRAM, [f"{index}.zip" for index in range(20)])
    assert facts(deep).unchecked == (Unchecked.DEPTH,)
    assert len(facts(deep, depth=3).nodes) == 4


def test_members() -> None:
    found = facts(zipped(*((f"{index}.txt", b"") for index in range(2000))))
    assert (len(found.nodes), found.unchecked) == (1500, (Unchecked.MEMBERS,))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bombs(pack: object) -> None:
    bomb = pack(b"\0" * 20_000_000)  # type: ignore[operator]
    assert Unchecked.RATIO in facts(bomb).unchecked
    assert Unchecked.OCTETS in facts(bomb, octets=1_000_000, size=10_000_000).unchecked


def test_a_bomb_is_not_unpacked_to_be_found() -> None:
    found = facts(overlapping(1, 50_000_000))
    assert found.unchecked == (Unchecked.RATIO,)


def test_overlapping_members() -> None:
    assert Unchecked.OVERLAP in facts(overlapping(3, 1000)).unchecked


def test_time() -> None:
    time = iter(range(1000))
    found = listed([part(zipped(*((f"{n}", TEXT) for n in range(100))))], 1000, ArchiveLimits(seconds=10), clock=lambda: next(time))
    assert found.unchecked == (Unchecked.TIME,)
    assert len(found.nodes) < 10


def test_a_directory_that_calls_a_file_otherwise() -> None:
    archive = zipped(("letter.txt", PROGRAM)).replace(b"letter.txt", b"letter.exe", 1)
    assert facts(archive).nodes[1].names == (b"letter.txt", b"letter.exe")


def test_what_clamd_does_not_unpack_is_given_to_it() -> None:
    assert facts(zipped(("evil.com", PROGRAM), method=zipfile.ZIP_LZMA)).to_scan == (PROGRAM,)
    padded = Part((1,), (), "application/octet-stream", encoding="base64", raw=b"YQ==\r\nYg==\r\n", content=b"a")
    assert facts(padded).to_scan == (b"ab",)
    assert facts(zipped(("evil.com", PROGRAM))).to_scan == ()


def test_what_is_not_looked_into_is_told() -> None:
    assert facts(b"\x28\xb5\x2f\xfd" + b"x" * 100).unchecked == (Unchecked.UNKNOWN_FORMAT,)
    assert facts(TEXT).unchecked == ()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\windows\\evil.exe", "..\\evil", "a/../../b"])
def test_names_that_lead_out(name: str) -> None:
    assert facts(tarred((name, TEXT))).suspect_names == (name.encode(),)


def test_harmless_names() -> None:
    assert not any(map(leads_out, (b"a/b.txt", b"a..b", b"...", b".hidden")))


@pytest.mark.parametrize(
    ("headers", "called"),
    [
        ((b'application/x; name="a.exe"',), {b"a.exe"}),
        ((b"application/x; name=a.txt", b'attachment; filename="b.exe"'), {b"a.txt", b"b.exe"}),
        ((b"x/y; name=a.txt; name=b.exe",), {b"a.txt", b"b.exe"}),
        ((b'x/y; name*0="evil."; name*1="exe"',), {b"evil.exe", b"evil"}),
        ((b"x/y; name*1=exe; name*0=evil.",), {b"evil.exe"}),
        ((b"x/y; name*=utf-8''ev%69l.exe",), {b"evil.exe"}),
        ((b"x/y; name*=iso-8859-1'de'%fcbel.exe",), {"übel.exe".encode()}),
        ((b"x/y; name*=nothing''a%FF.exe",), {"aÿ.exe".encode()}),
        ((b'x/y; name="=?utf-8?Q?evil=2Eexe?="',), {b"evil.exe"}),
        ((b'x/y; name="=?iso-2022-jp?Q?evil=E9.exe?="',), {"evil\ufffd.exe".encode()}),
        ((b"x/y; name*=iso-2022-jp''evil%E9.exe",), {"evil\ufffd.exe".encode()}),
        ((b"x/y; name=a.exe" + b"".join(b"; name=%d" % n for n in range(99)) + b"; name=b.exe",), {b"a.exe", b"b.exe"}),
        ((b"x/y; name*=utf-16''%3D%3F.exe; name*=utf-16''%00%3D%00%3Fa",), {b"=?.exe"}),
        ((b"x/y; name=" + b"a" * 3000 + b".exe",), {b"a" * 1020 + b".exe"}),
        ((b'x/y; name="evil.exe. . "',), {b"evil.exe"}),
        ((b'x/y; name="a\\"b.exe"',), {b'a"b.exe'}),
        ((b'x/y; NAME = "A.EXE"',), {b"A.EXE"}),
        (('x/y; name="pdf\u202efdp.exe"'.encode(),), {b"pdffdp.exe"}),
        ((b"x/y",), set()),
    ],
)
def test_every_name_counts(headers: tuple[bytes, ...], called: set[bytes]) -> None:
    keys = (b"Content-Type", b"Content-Disposition")
    found = set(part_names(tuple(zip(keys, headers, strict=False))))
    assert called <= found | {b"evil"}


@given(
    st.lists(
        st.sampled_from([b"name", b"filename", b"*0", b"*", b"=", b"utf-16''", b"=?utf-7?q?", b"?=", b";", b"%3D%3F", b'"', b"a"])
    )
)
@example([b"name", b"*", b"=", b"utf-16''", b"%3D%3F"])
def test_whatever_names_are_like_they_are_few(pieces: list[bytes]) -> None:
    assert len(part_names(((b"Content-Type", b"".join(pieces)),))) <= 32


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"", "empty"), (TEXT, "asc"), ("Straße".encode(), "txt"), (b"\0\1\2", "dat"), (PROGRAM, "exe-ms"), (b"%PDF-1.4\n", "pdf"),
        (b"\x7fELF\2\1\1", "exe-unix"), (b"\xff\xd8\xff\xe0", "jpg"), (b"<html><body>", "html"), (b"{\\rtf1", "rtf"),
        (b"<?xml version='1.0'?><svg >", "svg"), (b"\xff\xfe" + "<script>".encode("utf-16-le"), "html"),
        (PROGRAM[:64] + b"PE\0\0" + b"\0" * 18 + b"\0\x20" + b"\0" * 40, "dll"), (b"[InternetShortcut]\r\nURL=x", "url"),
    ],
)  # fmt: skip
def test_types_by_content(octets: bytes, kind: str) -> None:
    assert types(octets)[-1] == kind


@pytest.mark.parametrize("kind", ["tar", "cpio", "odc"])
def test_a_negative_size_does_not_go_back(kind: str) -> None:
    if kind == "tar":
        header = bytearray(tarred(("a", b"x"))[:512])
        header[124:136] = b"-0000001000\0"
        header[156:157] = b"L"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        octets = bytes(header) + bytes(1024)
    elif kind == "cpio":
        octets = b"070701" + b"00000000" * 6 + b"-000007e" + b"00000000" * 4 + b"00000002" + b"00000000" + b"a\0" + bytes(200)
    else:
        octets = b"070707" + b"040000" * 7 + b"0" * 11 + b"000002" + b"-0000000120" + b"a\0" + bytes(200)
    assert Unchecked.DAMAGED in facts(octets).unchecked


SEEDS = [
    zipped(("a.txt", TEXT), ("b.zip", zipped(("c", TEXT)))), tarred(("a", TEXT), ("b" * 120, TEXT)), gzip.compress(TEXT),
    bz2.compress(TEXT), lzma.compress(TEXT), lzma_alone(TEXT), overlapping(3, 100), b"begin 644 a\nx\nend\n",
    b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 40, b"Rar!\x1a\7\0" + b"\0" * 40, b"Rar!\x1a\7\1\0" + b"\1" * 40,
    b"MSCF\0\0\0\0" + b"\0" * 40, b"\x60\xea" + b"\0" * 40, b"070701" + b"0" * 110, b"!<arch>\n" + b"a" * 60,
    b"\x78\x9f\x3e\x22" + b"\1" * 40, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 22 + b"\x09\0" + b"\0" * 1000,
    b"\0" * 0x8001 + b"CD001" + b"\0" * 4000, b"\0\0-lh5-" + b"\0" * 40,
]  # fmt: skip


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6), st.integers(0, 4000))
@example(SEEDS[0], [], 0)
def test_whatever_is_made_of_an_archive_is_no_fault(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(seed)
    for at, value in changes:
        octets[at % len(octets)] = value
    del octets[len(octets) - cut % len(octets) :]
    facts(bytes(octets))


@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=300))
def test_no_format_runs_for_ever_or_away(kind: str, octets: bytes) -> None:
    with contextlib.suppress(Damaged, Encrypted, Overlapping, ArithmeticError, LookupError, ValueError, struct.error):
        for member in FORMATS[kind](octets):
            assert sum(map(len, member.pieces() if member.pieces else ())) < 1_000_000
