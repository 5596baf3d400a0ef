"""Introspection: what is asked, what is kept, and what is no answer."""

import asyncio
from base64 import b64decode
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.driven_loop import run

from gatepost.auth.backends.introspection import Introspected, Introspection
from gatepost.auth.backends.token_claims import CannotSay, WrongToken
from gatepost.proto.http import Request, Response
from gatepost.proto.sasl.port import Secret

TOKEN = b"2YotnFZFEjr1zCsicMWpAA"
WHO = Introspection("https://id.test/introspect", "gate way", Secret(b"hu:sh"))


class Server:
    """Says `response` to every question, after some seconds."""

    def __init__(self, body: bytes, status: int = 200, seconds: float = 0, keep: float = 60) -> None:
        self.response = Response(status, (), body)
        self.seconds = seconds
        self.asked: list[Request] = []
        now = asyncio.get_running_loop().time
        self.introspected = Introspected(WHO, self._fetch, keep=keep, turn=5, clock=now)

    async def _fetch(self, request: Request) -> Response:
        self.asked.append(request)
        await asyncio.sleep(self.seconds)
        return self.response

    async def judged(self, token: bytes = TOKEN, client: str = "192.0.2.1") -> object:
        try:
            return (await self.introspected.claims(token, client)).get("username")
        except WrongToken:
            return "wrong"
        except CannotSay:
            return "later"


def test_what_is_asked() -> None:
    request = WHO.request(TOKEN)
    headers = dict(request.headers)
    assert request.method == "POST"
    assert parse_qs(request.body.decode()) == {"token": [TOKEN.decode()], "token_type_hint": ["access_token"]}
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"gate+way:hu%3Ash"
    assert "hu:sh" not in repr((WHO, request)) and TOKEN.decode() not in repr(request)
    without = Introspection("https://id.test/", "gateway", Secret(b"")).request(b"a+b/c=&x")
    assert "Authorization" not in dict(without.headers)
    assert parse_qs(without.body.decode())["token"] == ["a+b/c=&x"]
    assert parse_qs(without.body.decode())["client_id"] == ["gateway"]


def test_an_answer_is_kept_and_never_beyond_the_token() -> None:
    async def play() -> None:
        now = asyncio.get_running_loop().time()
        server = Server(b'{"active": true, "username": "anna", "exp": %d}' % (now + 90))
        for _ in range(3):
            assert await server.judged() == "anna"
        assert len(server.asked) == 1
        await asyncio.sleep(61)
        assert await server.judged() == "anna"
        server.response = Response(200, (), b'{"active": false}')
        await asyncio.sleep(28)
        assert await server.judged() == "anna"
        await asyncio.sleep(2)
        assert await server.judged() == "wrong"
        assert await server.judged(TOKEN + b"x") == "wrong"
        assert len(server.asked) == 4

    run(play())


def test_what_is_no_answer_is_not_kept() -> None:
    async def play() -> None:
        server = Server(b"", status=503)
        assert await server.judged() == "later"
        server.response = Response(200, (), b'{"active": true, "username": "anna"}')
        assert await server.judged() == "anna"

    run(play())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"active": "true"}'),
        (200, b'{"active": 1}'),
        (200, b'{"active": null}'),
        (200, b"\xff"),
        (200, b"[" * 60_000),
        (301, b'{"active": true}'),
        (401, b'{"active": false}'),
        (404, b'{"active": false}'),
        (500, b'{"active": true}'),
    ],
)
def test_no_answer(status: int, body: bytes) -> None:
    async def play() -> None:
        assert await Server(body, status).judged() == "later"

    run(play())


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_else(body: bytes) -> None:
    async def play() -> None:
        assert await Server(body).judged() == "later"

    run(play())


def test_one_client_has_a_share() -> None:
    """While one has many questions under way, another's is asked at once; and who waits too long is told so."""

    async def play() -> None:
        server = Server(b'{"active": true, "username": "anna"}', seconds=8)
        crowd = [asyncio.create_task(server.judged(b"%d" % n, "192.0.2.66")) for n in range(100)]
        await asyncio.sleep(0)
        assert await server.judged() == "anna"
        assert [await one for one in crowd] == ["anna"] * 10 + ["later"] * 90

    run(play())
