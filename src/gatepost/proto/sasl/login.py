"""LOGIN (draft-murchison-sasl-login): the server asks for the name, then for the password. Some clients send the name at once."""

from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import (
    ClientExchange,
    Credentials,
    Login,
    Malformed,
    ServerExchange,
    ask_client,
    check_password,
    user_name,
)


def server() -> ServerExchange:
    user = user_name((yield from ask_client(b"Username:")))
    password = yield from ask_client(b"Password:")
    if b"\0" in password:
        raise Malformed("malformed LOGIN password")
    return Login((yield from check_password(user, password)))


def client(who: Credentials) -> ClientExchange:
    yield b""
    yield to_bytes(who.user)
    yield who.password.octets
