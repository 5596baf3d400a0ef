"""What sendmail(1) understands of headers, arguments and line ends, as Postfix's does."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail import header
from gatepost.mail.envelope import Recipient
from gatepost.receive.local_submission import addresses, envelope_of, header_recipients
from gatepost.receive.maildrop import Submission
from gatepost.receive.unix_lines import LineEnds, SizeExceeded, wire_form


def recipients(text: str) -> list[str]:
    return header_recipients(header.split(text.replace("\n", "\r\n").encode()).headers)


def test_to_cc_and_bcc() -> None:
    text = "From: x@y.test\nTo: a@b.test (Al), (c) Bob <b@b.test>\nCc: team: c@b.test, d@b.test;\nBcc: e@b.test\n\nTo: body@b\n"
    assert recipients(text) == ["a@b.test", "b@b.test", "c@b.test", "d@b.test", "e@b.test"]


def test_a_resent_message_goes_to_the_resent_headers() -> None:
    text = "To: a@b.test\nResent-From: r@b.test\nResent-To: b@b.test,\n\tc@b.test\nResent-Bcc: d@b.test\nCc: e@b.test\n\n"
    assert recipients(text) == ["b@b.test", "c@b.test", "d@b.test"]


def test_headers_without_addresses() -> None:
    assert recipients("To: undisclosed-recipients:;\nCc: <>\nSubject: x\n\n") == []


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z0-9]{1,4})?@[a-z]{1,8}\.test", fullmatch=True), max_size=8), st.data())
def test_no_address_is_lost(wanted: list[str], data: st.DataObject) -> None:
    forms = ["{}", "<{}>", "Some Body <{}>", '"Body, Some" <{}>', "{} (a comment, with comma)", "(first) {}"]
    written = [data.draw(st.sampled_from(forms)).format(address) for address in wanted]
    cut = data.draw(st.integers(0, len(written)))
    text = "To: " + ",\n ".join(written[:cut]) + "\nSubject: x\nBcc: " + ", ".join(written[cut:]) + "\n\n"
    assert recipients(text) == wanted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alice", ["alice"]),
        ("", [""]),
        ("<>", [""]),
        ("Alice Liddell <alice@example.test>", ["alice@example.test"]),
        ('"a b"@x.test, c@d.test (hi)', ["a b@x.test", "c@d.test"]),
        ("-alice@example.test", ["-alice@example.test"]),
    ],
)
def test_arguments(text: str, found: list[str]) -> None:
    assert addresses(text) == found


def test_envelope() -> None:
    submission = Submission(
        "root",
        (Recipient("a", "a", notify=2),),
        fullname="Root",
        encoding="8bit",
        envid="e",
        ret="HDRS",
        verp="+=",
        trace="deliver",
    )
    envelope = envelope_of(submission, content_filter="scan:dummy")
    assert (envelope.sender, envelope.recipients, envelope.sender_fullname) == ("root", submission.recipients, "Root")
    assert (envelope.encoding, envelope.envid, envelope.ret, envelope.verp) == ("8bit", "e", "HDRS", "+=")
    assert envelope.content_filter == "scan:dummy"
    assert envelope.attributes == (("rewrite_context", "local"), ("trace_flags", "1024"))


def wire(text: bytes, ends: LineEnds = LineEnds.ALWAYS, *, dot_ends: bool = True, limit: int = 0) -> bytes:
    return b"".join(wire_form(io.BytesIO(text), ends, dot_ends=dot_ends, limit=limit))


@pytest.mark.parametrize(
    ("text", "ends", "found"),
    [
        (b"a\r\nb\n", LineEnds.ALWAYS, b"a\r\nb\r\n"),
        (b"a\r\nb\n", LineEnds.STRICT, b"a\r\nb\r\n"),
        (b"a\nb\r\n", LineEnds.STRICT, b"a\r\nb\r\r\n"),
        (b"a\r\n", LineEnds.NEVER, b"a\r\r\n"),
        (b"no end", LineEnds.ALWAYS, b"no end\r\n"),
        (b"", LineEnds.ALWAYS, b""),
        (b"From joe Mon Jan  2 03:04:05 2023\nSubject: x\n\nFrom y\n", LineEnds.ALWAYS, b"Subject: x\r\n\r\nFrom y\r\n"),
        (b"> quoted\n", LineEnds.ALWAYS, b"> quoted\r\n"),
        (b"From joe\n>From ann\nFromage: x\n", LineEnds.ALWAYS, b"Fromage: x\r\n"),
    ],
)
def test_line_ends(text: bytes, ends: LineEnds, found: bytes) -> None:
    assert wire(text, ends) == found


def test_a_dot_ends_the_message_unless_ignored() -> None:
    assert wire(b"one\n.\ntwo\n") == b"one\r\n"
    assert wire(b".\ntwo\n") == b""
    assert wire(b"one\n.\ntwo\n", dot_ends=False) == b"one\r\n.\r\ntwo\r\n"
    assert wire(b"one\n.") == b"one\r\n"


def test_too_large() -> None:
    assert wire(b"12345678\n", limit=9) == b"12345678\r\n"
    with pytest.raises(SizeExceeded):
        wire(b"12345678\n", limit=8)


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=6), st.integers(1, 5)
)
def test_chunks_do_not_matter(lines: list[bytes], size: int) -> None:
    class Trickle(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(size)

    text = b"".join(line + b"\n" for line in lines)
    found = b"".join(wire_form(Trickle(text), LineEnds.ALWAYS, dot_ends=True))
    assert found == wire(text)
