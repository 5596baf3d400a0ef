"""Smuggling out: whatever comes in, what goes to the next hop has CRLF line ends only, dots stuffed, no stray CR or LF."""

import re
from collections.abc import Iterator

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

BODIES = {
    "stray CR": b"one\rtwo\r\n",
    "CR.CR": b"one\r.\rtwo\r\n",
    "LF.LF": b"one\n.\ntwo\r\n",
    "LF.CRLF": b"one\n.\r\ntwo\r\n",
    "CR.CRLF": b"one\r.\r\ntwo\r\n",
    "CRCRLF": b"one\r\r\n.\r\r\ntwo\r\n",
    "NUL": b"one\0\r\n.\0\r\ntwo\r\n",
    "CR NUL LF": b"one\r\0\n.\r\0\ntwo\r\n",
    "dots": b".\r\n..\r\n...\r\n.one\r\n",
    "no line end": b"one\r\n.",
    "CR at the end": b"one\r\n.\r",
    "CR where chunks meet": b"y" * 65535 + b"\r" + b".\r\n" + b"z" * 65535 + b"\r\n.\r\n",
}


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    with System({"smtpd_forbid_bare_newline": "normalize", "smtpd_forbid_bare_newline_exclusions": ""}, relay=sink.port) as one:
        yield one


@pytest.mark.parametrize("chunk", [0, 1, 3], ids=["whole", "one octet a chunk", "three octets a chunk"])
@pytest.mark.parametrize("body", BODIES)
def test_only_crlf_and_stuffed_dots_go_out(system: System, sink: Sink, body: str, chunk: int) -> None:
    if chunk and len(BODIES[body]) > 1000:
        pytest.skip("cut where the reader cuts; octet by octet it is the same as the others")
    before = len(sink.taken)
    content = b"Subject: out\r\n\r\n" + BODIES[body]
    size = chunk or len(content)
    with system.client() as client:
        client.envelope()
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            client.write(b"BDAT %d\r\n" % len(piece) + piece)
            assert client.reply()[0] == 250
        assert client.say("BDAT 0 LAST")[0] == 250
    wait_for(lambda: len(sink.taken) > before, "the message at the next hop")
    (message,) = sink.taken[before:]
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", message.content), message.content
    assert not re.search(rb"\r\n\.(?!\.)", message.content), message.content


@pytest.mark.parametrize("header", [b"Subject: a\rb", b"Subject: a\nb: c", b"X-\0: d", b"Subject: a\r\n\r b"], ids=repr)
def test_headers_too(system: System, sink: Sink, header: bytes) -> None:
    before = len(sink.taken)
    content = header + b"\r\n\r\nbody\r\n"
    with system.client() as client:
        client.envelope()
        client.write(b"BDAT %d LAST\r\n" % len(content) + content)
        assert client.reply()[0] == 250
    wait_for(lambda: len(sink.taken) > before, "the message at the next hop")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", sink.taken[-1].content)
