"""The server core: any split of the octets gives the same events."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatepost.proto.smtp.data import BdatReader, DataReader, LineEnds
from gatepost.proto.smtp.server import CommandLine, DataChunk, EndOfData, ServerCore

PIECES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b".", b"..", b"a", b"bc", b"\r\n.\r\n", b"\r\n..\r\n", b"\n.\n", b"\r.\r", b"\x00", b" "]
)
CONTENT = st.lists(PIECES, max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 120), max_size=12)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def transact(parts: list[bytes], line_ends: LineEnds) -> tuple[list[str], bytes, bytes, int, bool]:
    """Commands until DATA, then content, then commands: (verbs, content, pending, size, bare newline)."""
    core, reader = ServerCore(), DataReader(line_ends)
    verbs: list[str] = []
    content = b""
    for part in parts:
        core.feed(part)
        while (event := core.next_event()) is not None:
            match event:
                case CommandLine(verb="DATA"):
                    verbs.append("DATA")
                    reader = DataReader(line_ends)
                    core.read_data(reader)
                case CommandLine():
                    verbs.append(event.verb)
                case DataChunk():
                    content += event.data
                case EndOfData():
                    verbs.append(".")
    return verbs, content, core.peek(100) if not reader.ended or verbs[-1] == "." else b"", reader.size, reader.bare_newline


@given(CONTENT, CUTS, st.sampled_from(LineEnds))
@example(b"x\n.\r\n", [], LineEnds.STRICT)
@example(b".\r\n", [1], LineEnds.STRICT)
@example(b"a\r\n.\r\r\n", [], LineEnds.LENIENT)
def test_any_split_gives_the_same(content: bytes, cuts: list[int], line_ends: LineEnds) -> None:
    stream = b"MAIL FROM:<a@b.test>\r\nDATA\r\n" + content + b"\r\n.\r\nQUIT\r\n"
    whole = transact([stream], line_ends)
    assert transact(cut(stream, cuts), line_ends) == whole
    assert transact([stream[i : i + 1] for i in range(len(stream))], line_ends) == whole


@given(CONTENT, st.sampled_from(LineEnds))
def test_content_comes_out_canonical(content: bytes, line_ends: LineEnds) -> None:
    _, out, _, size, _ = transact([b"DATA\r\n" + content + b"\r\n.\r\n"], line_ends)
    assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
    assert len(out) == size
    assert not out or out.endswith(b"\r\n")


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")), max_size=12))
def test_what_is_stuffed_comes_back(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    verbs, out, *_ = transact([b"DATA\r\n" + stuffed + b".\r\nNOOP\r\n"], LineEnds.STRICT)
    assert (verbs, out) == (["DATA", ".", "NOOP"], content)


# What Postfix 3.7.11 does with each, as recorded: (what came, what ends the data, content).
SMUGGLING = [
    (LineEnds.LENIENT, b"body\n.\nMAIL FROM:<e@x.test>\r\n.\r\n", ["DATA", ".", "MAIL", "."], b"body\r\n"),
    (LineEnds.STRICT, b"body\n.\nMAIL FROM:<e@x.test>\r\n.\r\n", ["DATA", "."], b"body\r\nMAIL FROM:<e@x.test>\r\n"),
    (LineEnds.STRICT, b"body\r\n.\nMAIL FROM:<e@x.test>\r\n.\r\n", ["DATA", "."], b"body\r\nMAIL FROM:<e@x.test>\r\n"),
    (LineEnds.LENIENT, b"body\r\n.\nQUIT\r\n", ["DATA", ".", "QUIT"], b"body\r\n"),
    (LineEnds.LENIENT, b"body\n.\r\nQUIT\r\n", ["DATA", ".", "QUIT"], b"body\r\n"),
    (LineEnds.STRICT, b"body\r\n.\n", ["DATA"], b"body\r\n"),
    (LineEnds.STRICT, b"body\n.\n", ["DATA"], b"body\r\n"),
    (LineEnds.REJECT, b"body\r.\r\r\n.\r\n", ["DATA", "."], b"body . \r\n"),
    (LineEnds.LENIENT, b"body\r.\r\nrest\r\n.\r\n", ["DATA", "."], b"body .\r\nrest\r\n"),
    (LineEnds.LENIENT, b"body\r\r\nend\r\n.\r\n", ["DATA", "."], b"body\r\nend\r\n"),
    (LineEnds.STRICT, b"body\r\r\nend\r\n.\r\n", ["DATA", "."], b"body \r\nend\r\n"),
    (LineEnds.STRICT, b"body\r\n\x00.\r\n.\r\n", ["DATA", "."], b"body\r\n\x00.\r\n"),
    (LineEnds.STRICT, b"body\r\n. \r\n.\r\n", ["DATA", "."], b"body\r\n \r\n"),
]


@pytest.mark.parametrize(("line_ends", "came", "verbs", "content"), SMUGGLING)
def test_ends_of_data_as_postfix(line_ends: LineEnds, came: bytes, verbs: list[str], content: bytes) -> None:
    assert transact([b"DATA\r\n" + came], line_ends)[:2] == (verbs, content)


def test_memory_does_not_follow_an_endless_line() -> None:
    reader = DataReader()
    out = sum(len(reader.feed(b"x" * 65536)) for _ in range(50))
    assert out >= 48 * 65536
    assert reader.feed(b"\r\n.\r\n") + reader.rest == b"\r\n"
    assert reader.ended


def test_a_leading_dot_of_an_overlong_line_is_removed_once() -> None:
    reader = DataReader()
    parts = [reader.feed(b".." + b"x" * 70000), reader.feed(b".y\r\n.\r\n")]
    assert b"".join(parts) == b"." + b"x" * 70000 + b".y\r\n"


@given(CONTENT, CUTS, st.sampled_from(LineEnds), st.booleans())
def test_bdat_any_split_gives_the_same(content: bytes, cuts: list[int], line_ends: LineEnds, binary: bool) -> None:
    def read(parts: list[bytes]) -> tuple[bytes, int, bool]:
        reader = BdatReader(line_ends, binary=binary)
        out = b"".join([reader.feed(part) for part in parts])
        return out + reader.finish(), reader.size, reader.bare_newline

    whole = read([content])
    assert read(cut(content, cuts)) == whole
    if binary:
        assert whole[0] == content


REFUSED = [
    (b"a\r\nb\nc\r\n", b"a\r\n"),
    (b"a\n", b""),
    (b"a\r\nb", b"a\r\nb\r\n"),
]


@pytest.mark.parametrize(("content", "passed_on"), REFUSED)
def test_nothing_of_a_refused_message_is_passed_on_from_its_bare_newline(content: bytes, passed_on: bytes) -> None:
    chunks = BdatReader(LineEnds.REJECT)
    assert chunks.feed(content) + chunks.feed(b"") + chunks.finish() == passed_on
    data = DataReader(LineEnds.REJECT)
    assert data.feed(content) + data.feed(b"\r\n.\r\n") == passed_on
    assert data.bare_newline is chunks.bare_newline is (b"\n" in content.replace(b"\r\n", b""))


def test_a_chunk_is_counted_not_searched() -> None:
    core, reader = ServerCore(), BdatReader()
    core.feed(b"BDAT 8\r\n.\r\nabc\r\nNOOP\r\n")
    assert core.next_event() == CommandLine("BDAT", "8", "BDAT 8")
    core.read_chunk(reader, 8)
    assert [core.next_event(), core.next_event(), core.next_event()] == [
        DataChunk(b".\r\nabc\r\n"),
        EndOfData(),
        CommandLine("NOOP", "", "NOOP"),
    ]


def test_an_overlong_command_is_cut() -> None:
    core = ServerCore(line_limit=20)
    for _ in range(100):
        core.feed(b"NOOP " + b"x" * 50)
        assert core.next_event() is None
        assert core.pending <= 20
    core.feed(b"\r\nQUIT\r\n")
    event = core.next_event()
    assert isinstance(event, CommandLine)
    assert (event.verb, len(event.line)) == ("NOOP", 20)
    assert core.next_event() == CommandLine("QUIT", "", "QUIT")


def test_purge_forgets_what_came_before_tls() -> None:
    core = ServerCore()
    core.feed(b"STARTTLS\r\nMAIL FROM:<injected@evil.test>\r\n")
    core.next_event()
    core.purge()
    assert core.next_event() is None


@pytest.mark.parametrize(
    ("line", "verb", "argument", "utf8", "bare"),
    [
        (b"mail FROM:<a@b>  \r\n", "MAIL", "FROM:<a@b>", True, False),
        (b"  NOOP\tx \n", "NOOP", "x", True, True),
        (b"\r\n", "", "", True, False),
        (b"EHLO caf\xc3\xa9\r\n", "EHLO", "café", True, False),
        (b"EHLO \xff\r\n", "EHLO", "\udcff", False, False),
        # What parts words, and what ends a line: ASCII's white space, and NUL.
        (b"N\x00OP\r\n", "N", "", True, False),
        (b"VRFY a\x00b\r\n", "VRFY", "a", True, False),
        (b"\x0bNOOP\x0cx\x0b\r\n", "NOOP", "x", True, False),
        (b"NOOP\x1cx\r\n", "NOOP\x1cX", "", True, False),
        ("NOOP\xa0x\r\n".encode(), "NOOP\xa0X", "", True, False),
        ("\xa0NOOP \x85\r\n".encode(), "\xa0NOOP", "\x85", True, False),
        ("ma\u0131l \u2003\r\n".encode(), "MA\u0131L", "\u2003", True, False),
    ],
)
def test_command_lines(line: bytes, verb: str, argument: str, utf8: bool, bare: bool) -> None:
    core = ServerCore()
    core.feed(line)
    event = core.next_event()
    assert isinstance(event, CommandLine)
    assert (event.verb, event.argument, event.utf8, event.bare_newline) == (verb, argument, utf8, bare)


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b" \tMAIL\t FROM:<a@b> \t", "MAIL", "FROM:<a@b>"),
        (b"mail from:<a\tb>", "MAIL", "from:<a\tb>"),
        (b"NOOP\x0bx\x0c", "NOOP", "x"),
        ("MAIL\u00a0FROM:<a@b>".encode(), "MAIL\u00a0FROM:<A@B>", ""),
        ("NOOP x\u0085y\u00a0".encode(), "NOOP", "x\u0085y\u00a0"),
        (b"NOOP\x1cx", "NOOP\x1cX", ""),
        (b"", "", ""),
        (b" \t", "", ""),
    ],
)
def test_words_are_parted_by_white_space_of_c_alone(line: bytes, verb: str, argument: str) -> None:
    core = ServerCore()
    core.feed(line + b"\r\n")
    event = core.next_event()
    assert isinstance(event, CommandLine)
    assert (event.verb, event.argument) == (verb, argument)
