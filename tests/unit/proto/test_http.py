"""HTTP responses, as they come in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.http import HttpExchange, Request, Response

_OK = b"HTTP/1.1 200 OK\r\n"
_MOST = 100


def _exchange(request: Request = Request("https://a.test/x")) -> HttpExchange:
    return HttpExchange(request, "a.test", "/x", _MOST)


def _answer(octets: bytes, piece: int = 1 << 20, method: str = "GET") -> Response:
    exchange = _exchange(Request("https://a.test/x", method))
    for start in range(0, len(octets), piece):
        assert not exchange.done
        assert exchange.feed(octets[start : start + piece]) == b""
    assert exchange.done
    assert not exchange.reusable
    return exchange.answer


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (_OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (_OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"Content-Length: 0\r\n\r\n", b""),
        (_OK + b"Content-Length: 100\r\n\r\n" + b"x" * 100, b"x" * 100),
        (b"HTTP/1.0 200 OK\nContent-Length: 2\n\nhi", b"hi"),
    ],
)
def test_a_response_in_pieces(octets: bytes, body: bytes, piece: int) -> None:
    assert _answer(octets, piece).body == body


def test_what_it_says() -> None:
    answer = _answer(b"HTTP/1.1 404 No\r\nETag: one\r\netag: two\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.header("etag"), answer.header("date")) == (404, "one", "")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_responses_without_a_body(method: str, status: int) -> None:
    assert _answer(b"HTTP/1.1 %d X\r\nContent-Length: 100000\r\n\r\n" % status, method=method).body == b""


@pytest.mark.parametrize(
    "octets",
    [
        _OK + b"Content-Length: 101\r\n\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101,
        _OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 101,
        _OK + b"\r\nhello",
        _OK + b"Connection: close\r\n\r\nhello",
        _OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        _OK + b"Content-Length: -1\r\n\r\n",
        _OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        _OK + b"Transfer-Encoding: gzip\r\n\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n",
        _OK + b"X: " + b"x" * 20_000,
        _OK + b"X\0: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2001,
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n" * 2,
        b"220 mail.test ESMTP\r\n\r\n",
        b"\x16\x03\x01\x00",
    ],
)
def test_no_response(octets: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        _exchange().feed(octets)
        raise AssertionError
    assert len(str(caught.value)) <= 100


def test_many_small_pieces_cost_no_more_than_some() -> None:
    exchange = HttpExchange(Request("https://a.test/"), "a.test", "/", 1 << 20)
    exchange.feed(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(ProtocolError, match="too many pieces"):
        exchange.feed(b"1\r\nx\r\n" * 2000)


_LIKELY = st.sampled_from(
    [
        *(_OK, b"HTTP/1.1 100 X\r\n\r\n", b"HTTP/1.0 999 \xff\r\n", b"HTTP/1.1 099\r\n\r\n"),
        *(b"Content-Length: 3\r\n", b"Content-Length: 3, 3\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"\r\n", b"\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b": ", b" x", b"\x00"),
    ]
)


@given(st.lists(_LIKELY | st.binary(min_size=1), max_size=12))
def test_no_octets_raise_anything_else(pieces: list[bytes]) -> None:
    exchange = _exchange()
    for piece in pieces:
        try:
            exchange.feed(piece)
        except ProtocolError:
            return
        if exchange.done:
            assert len(exchange.answer.body) <= _MOST
            return


def test_the_request() -> None:
    request = Request("https://a.test/x", "POST", (("Content-Type", "text/plain"),), b"hello")
    written = b"".join(_exchange(request).question())
    head, _, body = written.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /x HTTP/1.1"
    assert {b"Host: a.test", b"Connection: close", b"Content-Length: 5", b"Content-Type: text/plain"} <= set(head.split(b"\r\n"))
    assert body == b"hello"
    assert b"Content-Length" not in b"".join(_exchange().question())
    assert b"Content-Length: 0" in b"".join(_exchange(Request("https://a.test/x", "POST")).question())


@pytest.mark.parametrize(
    "request_",
    [
        Request("https://a.test/", headers=(("X", "secret\r\nY: z"),)),
        Request("https://a.test/", headers=(("X y", "secret"),)),
        Request("https://a.test/", headers=(("X", "secretü€"),)),
        Request("https://a.test/", headers=(("Content-Length", "7secret"),)),
        Request("https://a.test/", headers=(("Host", "b.secret"),)),
        Request("https://a.test/", "CONNECT"),
        Request("https://a.test/", "GET /secret HTTP/1.1\r\nX:"),
    ],
)
def test_what_cannot_be_written(request_: Request) -> None:
    with pytest.raises(ValueError) as caught:
        _exchange(request_)
    assert "secret" not in str(caught.value) or "method" in str(caught.value)


@pytest.mark.parametrize(
    "echo", [b"%b", b"HTTP/1.1 200 %b", _OK + b"Not a field %b", _OK + b"Transfer-Encoding: chunked\r\n\r\n%b"]
)
def test_a_server_that_repeats_what_it_was_told(echo: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        _exchange().feed(echo.replace(b"%b", b"Authorization secret\r\n\r\n"))
        raise ProtocolError("nothing wrong")
    assert "secret" not in str(caught.value)


def test_no_text_shows_a_secret() -> None:
    request = Request("https://a.test/x?key=secret", "POST", (("Authorization", "secret"),), b"secret")
    assert "secret" not in repr(request)
    assert "secret" not in repr(Response(200, (("x", "secret"),), b"secret"))
