"""A content that is plain needs no encoding when it is sent, and is known to be so from its reception on."""

import itertools
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.admission.staging import THRESHOLD, Staging
from gatepost.mail.content import Content, FileContent, MemoryContent
from gatepost.proto.smtp.data import BdatReader, DataReader, LineEnds
from gatepost.proto.smtp.dot_stuffing import Encoder, encoded
from gatepost.proto.smtp.server import DataChunk, ServerCore

HEAD = b"Subject: x\r\n\r\n"
PIECES = st.sampled_from([b"\r\n", b"\r\n.", b"\n", b"\r", b".", b"a", b"b" * 600, b"c" * 997, b"d" * 2100, b"\x00"])
CONTENTS = st.lists(PIECES, max_size=30).map(b"".join)
CUTS = st.sets(st.integers(0, 3000), max_size=8)


def received(wire: bytes, cuts: set[int], line_ends: LineEnds, path: Path, *, strip: bytes = b"") -> tuple[Staging, Content]:
    core, reader = ServerCore(), DataReader(line_ends)
    core.read_data(reader)
    staging = Staging(lambda: path, replace_stray=False, in_lines=True, strip=strip)
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    for start, end in itertools.pairwise(edges):
        core.feed(wire[start:end])
        while isinstance(event := core.next_event(), DataChunk):
            staging.write(event.data, plain=event.plain)
    staging.finish()
    return staging, staging.content(staging.head, b"")


def sent(content: Content, limit: int, *, plain: bool) -> bytes:
    return b"".join(encoded(content.chunks(), Encoder(limit), plain=plain))


@settings(max_examples=300)
@given(CONTENTS, CUTS, st.sampled_from(LineEnds), st.sampled_from([0, 50, 998, 2000]))
def test_it_is_sent_as_if_nobody_had_known(octets: bytes, cuts: set[int], line_ends: LineEnds, limit: int) -> None:
    _, content = received(octets + b"\r\n.\r\n", cuts, line_ends, Path("/nowhere"))
    assert sent(content, limit, plain=content.plain) == sent(content, limit, plain=False)


def test_an_everyday_message_is_plain(tmp_path: Path) -> None:
    line = b"x" * 76 + b"\r\n"
    _, small = received(HEAD + line * 100 + b".\r\n", {9, 300}, LineEnds.STRICT, tmp_path / "a")
    _, large = received(HEAD + line * (THRESHOLD // 50) + b".\r\n", {9, 30000}, LineEnds.STRICT, tmp_path / "b")
    assert isinstance(small, MemoryContent)
    assert isinstance(large, FileContent)
    assert small.plain
    assert large.plain


@pytest.mark.parametrize("body", [b"..a\r\n", b"a\r\n..\r\n", b"y" * 999 + b"\r\n", b"a\nb\r\n", b"a\rb\r\n"])
def test_what_is_not_plain(body: bytes, tmp_path: Path) -> None:
    assert not received(HEAD + body + b".\r\n", set(), LineEnds.STRICT, tmp_path / "a")[1].plain


def test_nobody_looks_for_dots_in_chunks() -> None:
    core, reader = ServerCore(), BdatReader()
    core.read_chunk(reader, 4)
    core.feed(b".a\r\n")
    assert core.next_event() == DataChunk(b".a\r\n", plain=False)


def test_a_dot_may_come_first_where_octets_are_stripped(tmp_path: Path) -> None:
    """message_strip_characters takes them away after the reader has looked."""
    _, content = received(HEAD + b"\x00.\r\n.\r\n", set(), LineEnds.STRICT, tmp_path / "a", strip=b"\x00")
    assert content.read().endswith(b"\r\n.\r\n")
    assert not content.plain


def test_another_head_is_looked_at(tmp_path: Path) -> None:
    staging, content = received(HEAD + b"a\r\n.\r\n", set(), LineEnds.STRICT, tmp_path / "a")
    assert content.plain
    assert not staging.content(b".Subject: y\r\n" + content.read(), b"").plain
    assert not staging.content(b"X: " + b"y" * 1000 + b"\r\n" + content.read(), b"").plain


@pytest.mark.parametrize("size", [10, THRESHOLD])
def test_nobody_has_looked_at_another_body(size: int, tmp_path: Path) -> None:
    names = iter([tmp_path / "a", tmp_path / "b"])
    staging = Staging(lambda: next(names), replace_stray=False, in_lines=True)
    staging.write(HEAD + b"x\r\n" * size, plain=True)
    staging.finish()
    with staging.body_rewriter() as write:
        write(b".\r\n")
    assert not staging.content(HEAD, staging.rewritten()).plain


@pytest.mark.parametrize("head", [HEAD, HEAD[:-2] + b"X: y\r\n" * 20_000 + b"\r\n"])
def test_the_checksum_of_a_file_is_that_of_its_octets(head: bytes, tmp_path: Path) -> None:
    """Also where another head needs more room, for which the body is written again: then nobody says what it is."""
    names = iter([tmp_path / "a", tmp_path / "b"])
    staging = Staging(lambda: next(names), replace_stray=False, in_lines=True)
    for _ in range(THRESHOLD // 1000 + 2):
        staging.write(HEAD + b"x" * 1000 + b"\r\n", plain=True)
    staging.finish()
    content = staging.content(head[:-2], b"")
    assert isinstance(content, FileContent)
    assert content.crc in (None, crc32(content.read()))
    assert (content.crc is None) == (head is not HEAD)


@pytest.mark.parametrize("lines", [3, THRESHOLD // 100])
def test_a_message_may_be_seen_before_it_is_complete(lines: int, tmp_path: Path) -> None:
    """In memory and in a file, with other headers than those that came; it is stored afterwards as if nobody had looked."""
    staging = Staging(lambda: tmp_path / "a", replace_stray=False)
    text = (b"x" * 98 + b"\r\n") * lines
    staging.write(HEAD + text)
    staging.finish()
    rest = staging.head[len(HEAD) - 2 :]
    seen = staging.seen(b"X-A: b\r\n" * 3, rest)
    assert seen.read() == b"X-A: b\r\n" * 3 + b"\r\n" + text
    assert seen.size == len(seen.read())
    assert staging.content(HEAD[:-2], rest).read() == HEAD + text
