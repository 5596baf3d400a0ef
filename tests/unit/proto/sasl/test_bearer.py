"""XOAUTH2 and OAUTHBEARER: what a token is, and what is told to whom it does not let in."""

import json

import pytest

from gatepost.proto.sasl import bearer
from gatepost.proto.sasl.port import (
    Accepted,
    Challenge,
    Credentials,
    Failed,
    Login,
    Malformed,
    Refused,
    Secret,
    ServerExchange,
    TokenRefused,
)

TOKEN = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
WHO = Credentials("user,=@example.com", Secret(TOKEN))


def asked(server: ServerExchange, said: bytes) -> object:
    next(server)
    return server.send(said)


def test_the_octets() -> None:
    """RFC 7628 §4.1, and the pages of Google and Microsoft on XOAUTH2."""
    who = Credentials("user@example.com", Secret(TOKEN))
    assert next(bearer.oauthbearer_client(who, "server.example.com", 587)) == (
        b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer " + TOKEN + b"\x01\x01"
    )
    assert next(bearer.xoauth2_client(who)) == b"user=user@example.com\x01auth=Bearer " + TOKEN + b"\x01\x01"


@pytest.mark.parametrize("token", [b"", b"a b", b"a\x01b", b"\xff", b"pass word"])
def test_a_password_that_is_no_token_is_not_sent(token: bytes) -> None:
    for client in (bearer.xoauth2_client, lambda who: bearer.oauthbearer_client(who, "h", 1)):
        with pytest.raises(Malformed):
            next(client(Credentials("u", Secret(token))))


@pytest.mark.parametrize("server", [bearer.xoauth2_server, bearer.oauthbearer_server])
def test_a_good_and_a_bad_token(server: type) -> None:
    message = next(bearer.xoauth2_client(WHO) if server is bearer.xoauth2_server else bearer.oauthbearer_client(WHO, "h", 25))
    exchange = server()
    question = asked(exchange, message)
    assert question.user == WHO.user and question.token.octets == TOKEN  # type: ignore[attr-defined]
    with pytest.raises(StopIteration) as end:
        exchange.send(Accepted("known"))
    assert isinstance(end.value.value, Login) and end.value.value.user == "known"
    exchange = server()
    asked(exchange, message)
    challenge = exchange.send(Refused())
    assert isinstance(challenge, Challenge) and json.loads(challenge.octets)["status"] in ("401", "invalid_token")
    with pytest.raises(Failed):
        exchange.send(b"\x01")


@pytest.mark.parametrize(
    ("server", "refused", "told"),
    [
        (bearer.oauthbearer_server, Refused(), {"status": "invalid_token"}),
        (bearer.oauthbearer_server, TokenRefused(status="insufficient_scope", scope="smtp mail", configuration="https://id.test/"),
         {"status": "insufficient_scope", "scope": "smtp mail", "openid-configuration": "https://id.test/"}),
        (bearer.xoauth2_server, Refused(), {"status": "401", "schemes": "bearer", "scope": ""}),
        (bearer.xoauth2_server, TokenRefused(status="insufficient_scope", scope="smtp"),
         {"status": "403", "schemes": "bearer", "scope": "smtp"}),
    ],
)  # fmt: skip
def test_what_the_clients_program_is_told(server: type, refused: Refused, told: dict[str, str]) -> None:
    exchange = server()
    asked(exchange, next(bearer.xoauth2_client(WHO) if server is bearer.xoauth2_server else bearer.oauthbearer_client(WHO, "h", 1)))
    assert json.loads(exchange.send(refused).octets) == told
    with pytest.raises(Failed) as caught:
        exchange.send(b"\x01")
    assert str(caught.value) == refused.reason


def test_a_token_alone_says_whose_it_is() -> None:
    question = asked(bearer.oauthbearer_server(), b"n,,\x01auth=bearer t\x01\x01")
    assert question.user == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "said",
    [
        b"", b"n,,", b"n,,\x01", b"n,,\x01\x01", b"n,,\x01auth=Bearer \x01\x01", b"n,,\x01auth=Basic t\x01\x01",
        b"n,,\x01auth=Bearer t\x01",
        b"p=tls-unique,,\x01auth=Bearer t\x01\x01", b"n,b,\x01auth=Bearer t\x01\x01", b"n,a=,\x01auth=Bearer t\x01\x01",
        b"n,a=u=er,\x01auth=Bearer t\x01\x01", b"n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01", b"n,,\x01auth=Bearer t u\x01\x01",
        b"n,,x\x01auth=Bearer t\x01\x01", b"n,a=u\n,\x01auth=Bearer t\x01\x01", b"n,,\x01AUTH=Bearer t\x01\x01",
        b"user=u\x01auth=Bearer t\x01\x01",
    ],
)  # fmt: skip
def test_no_oauthbearer(said: bytes) -> None:
    with pytest.raises(Malformed):
        asked(bearer.oauthbearer_server(), said)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"user=u\x01auth=Bearer t\x01", b"auth=Bearer t\x01\x01", b"user=\x01auth=Bearer t\x01\x01", b"user=u\x01\x01",
        b"user=u\x01user=v\x01auth=Bearer t\x01\x01", b"user=u\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
        b"user=u\xff\x01auth=Bearer t\x01\x01", b"user=u\x01auth=Bearer t\xc3\xbc\x01\x01",
    ],
)  # fmt: skip
def test_no_xoauth2(said: bytes) -> None:
    with pytest.raises(Malformed):
        asked(bearer.xoauth2_server(), said)
