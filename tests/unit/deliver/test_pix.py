"""PIX workarounds: what a list names, and which greetings are masked."""

import pytest

from gatepost.deliver.pix import workarounds
from gatepost.proto.smtp.client import Client, ClientEvent, Dialect


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", ()),
        ("delay_dotcrlf, disable_esmtp", ("disable_esmtp", "delay_dotcrlf")),
        ("DISABLE_ESMTP", ("disable_esmtp",)),
        ("disable esmtp nonsense", ()),
    ],
)
def test_workarounds(words: str, named: tuple[str, ...]) -> None:
    assert workarounds(words) == named


@pytest.mark.parametrize("greeting", [b"220 ****", b"220", b"220 ", b"220 **20**", b"202 *\t*", b"222 0"])
def test_greetings_that_are_masked(greeting: bytes) -> None:
    client = Client(Dialect("me.test", masked=True))
    assert client.receive(greeting + b"\r\n") is ClientEvent.MASKED
    assert client.take() == b""
    client.hello(extended=False)
    assert client.take() == b"HELO me.test\r\n"


@pytest.mark.parametrize("greeting", [b"220 mx.test", b"220-*\r\n220 *", b"221 *", b"220 ***x"])
def test_greetings_that_are_not(greeting: bytes) -> None:
    client = Client(Dialect("me.test", masked=True))
    assert client.receive(greeting + b"\r\n") is ClientEvent.WAIT
    assert client.take() == b"EHLO me.test\r\n"


def test_nobody_asks() -> None:
    client = Client(Dialect("me.test"))
    client.receive(b"220 ***\r\n")
    assert client.take() == b"EHLO me.test\r\n"


def test_lmtp_has_one_hello() -> None:
    client = Client(Dialect("me.test", lmtp=True, masked=True))
    client.receive(b"220 ***\r\n")
    client.hello(extended=False)
    assert client.take() == b"LHLO me.test\r\n"
