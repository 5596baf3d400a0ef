"""PLAIN (RFC 4616): authorization id, user and password in one message, NUL between them."""

from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import (
    ClientExchange,
    Credentials,
    Failed,
    Login,
    Malformed,
    ServerExchange,
    ask_client,
    check_password,
    user_name,
)


def server() -> ServerExchange:
    """Nobody acts for anybody else: an authorization id is the user's own, or none."""
    message = yield from ask_client(b"")
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise Malformed("malformed PLAIN message")
    user = user_name(parts[1])
    if parts[0] and user_name(parts[0]) != user:
        raise Failed("authorization failure", user)
    return Login((yield from check_password(user, parts[2])))


def client(who: Credentials) -> ClientExchange:
    yield b"%b\0%b\0%b" % (to_bytes(who.authorization_id), to_bytes(who.user), who.password.octets)
