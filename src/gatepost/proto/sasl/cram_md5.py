"""CRAM-MD5 (RFC 2195): the password does not go over the wire; the server has to know it in the clear."""

import hmac

from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import (
    ClientExchange,
    Credentials,
    Login,
    Malformed,
    ServerExchange,
    ask_client,
    has_shown,
    password_of,
    user_name,
)


def server(nonce: str, host: str) -> ServerExchange:
    """`nonce`: text that was never used before, and that nobody guesses; `host`: our name."""
    challenge = f"<{nonce}@{host}>".encode()
    response = yield from ask_client(challenge)
    name, blank, digest = response.rpartition(b" ")
    if not blank:
        raise Malformed("malformed CRAM-MD5 response")
    user = user_name(name)
    keys = yield from password_of(user)
    password = keys.password.octets if keys else nonce.encode()
    same = hmac.compare_digest(_digest(password, challenge).encode(), digest.lower())
    yield from has_shown(user, right=same and keys is not None)
    assert keys is not None
    return Login(keys.user)


def client(who: Credentials) -> ClientExchange:
    challenge = yield b""
    yield to_bytes(who.user) + b" " + _digest(who.password.octets, challenge).encode()


def _digest(password: bytes, challenge: bytes) -> str:
    return hmac.new(password, challenge, "md5").hexdigest()
