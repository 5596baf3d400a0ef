"""XOAUTH2 and OAUTHBEARER (RFC 7628): the client shows a token that somebody else has given it (RFC 6750)."""

import json
import re
from collections.abc import Callable, Generator
from typing import Final

from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import (
    Accepted,
    ClientExchange,
    Credentials,
    Failed,
    IsToken,
    Login,
    Malformed,
    Refused,
    Reply,
    Secret,
    ServerExchange,
    Step,
    TokenRefused,
    ask_client,
    user_name,
)

_END: Final = b"\x01"
_TOKEN: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_MALFORMED: Final = "malformed bearer token message"
_KEY: Final = re.compile(rb"[A-Za-z]+")


# --- server ---


def xoauth2_server() -> ServerExchange:
    """As Google and Microsoft write it: `user=NAME ^A auth=Bearer TOKEN ^A ^A`, without the blanks."""
    message = yield from ask_client(b"")
    pairs = _pairs(message)
    if b"user" not in pairs:
        raise Malformed(_MALFORMED)
    user = user_name(pairs[b"user"])
    return Login((yield from _check(user, pairs, _xoauth2_error)))


def oauthbearer_server() -> ServerExchange:
    """`n,a=NAME,^A host=H ^A port=P ^A auth=Bearer TOKEN ^A ^A`, without the blanks. NAME may be missing: the token says whose it
    is."""
    message = yield from ask_client(b"")
    header, end, rest = message.partition(_END)
    parts = header.split(b",")
    if not end or len(parts) != 3 or parts[0] not in (b"n", b"y") or parts[2] or (parts[1] and not parts[1].startswith(b"a=")):
        raise Malformed(_MALFORMED)
    user = user_name(_unescaped(parts[1][2:])) if parts[1] else ""
    return Login((yield from _check(user, _pairs(rest), _oauthbearer_error)))


def _xoauth2_error(refused: TokenRefused) -> dict[str, str]:
    """As Google writes it: a status of HTTP."""
    status = "403" if refused.status == "insufficient_scope" else "401"
    return {"status": status, "schemes": "bearer", "scope": refused.scope}


def _oauthbearer_error(refused: TokenRefused) -> dict[str, str]:
    """RFC 7628 §3.2.2."""
    more = {"scope": refused.scope, "openid-configuration": refused.configuration}
    return {"status": refused.status} | {name: value for name, value in more.items() if value}


def _check(user: str, pairs: dict[bytes, bytes], error: Callable[[TokenRefused], dict[str, str]]) -> Generator[Step, Reply, str]:
    """By which name the user is known whose token it is. The client hears why not, and answers, before it fails (RFC 7628
    §3.2.3)."""
    token = _TOKEN.fullmatch(pairs.get(b"auth", b""))
    if token is None:
        raise Malformed(_MALFORMED, user or None)
    verdict = yield IsToken(user, Secret(token[1]))
    if isinstance(verdict, Accepted):
        return verdict.user
    assert isinstance(verdict, Refused)
    told = verdict if isinstance(verdict, TokenRefused) else TokenRefused(verdict.reason)
    yield from ask_client(json.dumps(error(told)).encode())
    raise Failed(verdict.reason, user or None)


def _pairs(message: bytes) -> dict[bytes, bytes]:
    """`key=value ^A` … ^A. Raises Malformed, for a key that comes twice too: nobody may think of another than we do."""
    if not message.endswith(_END + _END):
        raise Malformed(_MALFORMED)
    pairs: dict[bytes, bytes] = {}
    for pair in message[:-2].split(_END):
        key, equals, value = pair.partition(b"=")
        if not equals or not _KEY.fullmatch(key) or key in pairs:
            raise Malformed(_MALFORMED)
        pairs[key] = value
    return pairs


def _unescaped(name: bytes) -> bytes:
    if re.search(b"=(?!2C|3D)", name):
        raise Malformed(_MALFORMED)
    return name.replace(b"=2C", b",").replace(b"=3D", b"=")


# --- client: the password is the token ---


def xoauth2_client(who: Credentials) -> ClientExchange:
    yield b"user=%b\x01auth=Bearer %b\x01\x01" % (to_bytes(who.user), _token(who))
    yield b""  # the challenge says what was wrong


def oauthbearer_client(who: Credentials, host: str, port: int) -> ClientExchange:
    name = to_bytes(who.user.replace("=", "=3D").replace(",", "=2C"))
    yield b"n,a=%b,\x01host=%b\x01port=%d\x01auth=Bearer %b\x01\x01" % (name, host.encode("ascii", "replace"), port, _token(who))
    yield _END


def _token(who: Credentials) -> bytes:
    if not _TOKEN.fullmatch(b"Bearer " + who.password.octets):
        raise Malformed("the password is no token, for this mechanism", who.user)
    return who.password.octets
