"""SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677), and their -PLUS forms, bound to the TLS connection (RFC 5929, 9266).

The password does not go over the wire, the server need not know it, and it proves that it knows the keys (scram_keys.py).
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.proto.sasl.port import (
    ClientExchange,
    Credentials,
    Failed,
    KeyPair,
    Login,
    Malformed,
    Refused,
    Reply,
    ScramKeys,
    ScramKeysOf,
    ServerExchange,
    Step,
    ask_client,
    has_shown,
    user_name,
)
from gatepost.proto.sasl.saslprep import prepared_password, saslprep
from gatepost.proto.sasl.scram_keys import Decoys

FEWEST: Final = 4096
MOST: Final = 250_000
"""Iterations that a client does for a server: fewer would help whoever wants to guess the password, more would only cost time."""

_LONGEST: Final = 4096
"""Octets of a message."""

_NONCE: Final = re.compile(r"[!-+\--~]+")
_MALFORMED: Final = "malformed SCRAM message"
_BINDING: Final = ("tls-exporter", "tls-unique", "tls-server-end-point")
"""Best first."""


# --- server ---


class Binding(Struct, frozen=True):
    """What ties an exchange to its TLS connection.

    - `bound`: the mechanism is a -PLUS;
    - `offered`: the client was offered one: it says that it was not where somebody in between has taken that away;
    - `data`: of the connection, by type of binding.
    """

    bound: bool = False
    offered: bool = False
    data: Mapping[str, bytes] = {}


def server(digest: str, nonce: str, binding: Binding, decoys: Decoys) -> ServerExchange:
    """`nonce`: text that was never used before, and that nobody guesses; `decoys`: what is told of users that there are not, so
    that nobody finds out which there are."""
    first = _text((yield from ask_client(b"")))
    header, bare = _split_header(first)
    expected = header.encode() + _bound_data(header, binding)
    name, client_nonce = _name_and_nonce(bare)
    _check_authorization(header, name)
    known = yield from _keys_of(name, digest)
    decoy = decoys.keys(name, digest)  # made for everybody: its time tells nothing
    kept = known or decoy
    whole_nonce = client_nonce + nonce
    told = f"r={whole_nonce},s={b64encode(kept.salt).decode()},i={kept.iterations}"
    final = _text((yield from ask_client(told.encode())))
    unproved, comma, proof = final.rpartition(",p=")
    fields = unproved.split(",")
    if not comma or len(fields) < 2 or fields[0] != f"c={b64encode(expected).decode()}" or fields[1] != f"r={whole_nonce}":
        raise Malformed(_MALFORMED, name)
    signed = f"{bare},{told},{unproved}".encode()
    shown = _decoded(proof, name)
    known = yield from _keys_of(name, digest)  # again: the password may have been taken back since
    proved = _proved(known or decoy, digest, signed, shown)
    yield from has_shown(name, right=proved is not None and known is not None)
    assert proved is not None
    assert known is not None
    if (yield from ask_client(b"v=" + b64encode(_hmac(digest, proved.server_key.octets, signed)))):
        raise Malformed(_MALFORMED, name)
    return Login(known.user)


def _keys_of(user: str, digest: str) -> Generator[Step, Reply, ScramKeys | None]:
    verdict = yield ScramKeysOf(user, digest)
    assert isinstance(verdict, ScramKeys | Refused)
    return verdict if isinstance(verdict, ScramKeys) else None


def _proved(kept: ScramKeys, digest: str, signed: bytes, proof: bytes) -> KeyPair | None:
    """The password of which the client has shown that it knows it; None for none of them."""
    proved = None
    for pair in kept.pairs:
        shown = _exclusive_or(proof, _hmac(digest, pair.stored_key.octets, signed))
        if hmac.compare_digest(hashlib.new(digest, shown).digest(), pair.stored_key.octets):
            proved = pair
    return proved


def _split_header(message: str) -> tuple[str, str]:
    """The GS2 header (RFC 5801 §4) and the rest."""
    parts = message.split(",", 2)
    if len(parts) != 3:
        raise Malformed(_MALFORMED)
    flag, authorization, bare = parts
    if (flag not in ("n", "y") and not flag.startswith("p=")) or (authorization and not authorization.startswith("a=")):
        raise Malformed(_MALFORMED)
    return f"{flag},{authorization},", bare


def _bound_data(header: str, binding: Binding) -> bytes:
    """The data of the binding that the client names. Raises Failed where it names none and should, or one that there is not."""
    flag = header.partition(",")[0]
    if flag == "y" and binding.offered:
        raise Failed("channel binding was offered, and somebody has taken it away")
    if binding.bound != flag.startswith("p="):
        raise Malformed(_MALFORMED)
    if not binding.bound:
        return b""
    data = binding.data.get(flag[2:])
    if data is None:
        raise Failed("unsupported channel binding type")
    return data


def _name_and_nonce(bare: str) -> tuple[str, str]:
    """Extensions that are not mandatory may follow, and mean nothing."""
    fields = bare.split(",")
    if len(fields) < 2 or not fields[0].startswith("n=") or not fields[1].startswith("r=") or not _NONCE.fullmatch(fields[1][2:]):
        raise Malformed(_MALFORMED)
    return _unescaped(fields[0][2:]), fields[1][2:]


def _check_authorization(header: str, name: str) -> None:
    """Nobody acts for anybody else. An empty identity, as GNU SASL's client sends, is none. Raises Failed."""
    authorization = header.split(",")[1].removeprefix("a=")
    if authorization and _unescaped(authorization) != name:
        raise Failed("authorization failure", name)


# --- client ---


def client(who: Credentials, digest: str, nonce: str, binding: Binding) -> ClientExchange:
    """Raises Failed where the server does not show that it knows the password. Where there are data of a binding, and this
    mechanism is none of the bound ones, the server has offered none."""
    kind = next((kind for kind in _BINDING if kind in binding.data), "")
    flag = f"p={kind}" if binding.bound else "y" if binding.data and not binding.offered else "n"
    authorization = f"a={_escaped(who.authorization_id)}" if who.authorization_id else ""
    header, bare = f"{flag},{authorization},", f"n={_escaped(who.user)},r={nonce}"
    told = _text((yield f"{header}{bare}".encode()))
    whole_nonce, salt, iterations = _server_first(told, nonce)
    data = header.encode() + (binding.data[kind] if binding.bound else b"")
    unproved = f"c={b64encode(data).decode()},r={whole_nonce}"
    signed = f"{bare},{told},{unproved}".encode()
    salted = hashlib.pbkdf2_hmac(digest, prepared_password(who.password.octets), salt, iterations)
    key = _hmac(digest, salted, b"Client Key")
    signature = _hmac(digest, hashlib.new(digest, key).digest(), signed)
    proof = b64encode(_exclusive_or(key, signature)).decode()
    last = _text((yield f"{unproved},p={proof}".encode()))
    right = _hmac(digest, _hmac(digest, salted, b"Server Key"), signed)
    if not last.startswith("v=") or not hmac.compare_digest(_decoded(last[2:].partition(",")[0]), right):
        raise Failed("the server does not show that it knows the password")
    yield b""


def _server_first(message: str, nonce: str) -> tuple[str, bytes, int]:
    """The whole nonce, the salt and the iterations. Raises Malformed."""
    fields = message.split(",")
    if len(fields) < 3 or [field[:2] for field in fields[:3]] != ["r=", "s=", "i="]:
        raise Malformed(_MALFORMED)
    whole_nonce, salt, count = (field[2:] for field in fields[:3])
    if not whole_nonce.startswith(nonce) or whole_nonce == nonce or not _NONCE.fullmatch(whole_nonce):
        raise Malformed(_MALFORMED)
    if not re.fullmatch(r"[1-9][0-9]{0,9}", count, re.ASCII) or not FEWEST <= int(count) <= MOST:
        raise Malformed(f"SCRAM iteration count that is not from {FEWEST} to {MOST}")
    return whole_nonce, _decoded(salt), int(count)


# --- both ---


def _text(message: bytes) -> str:
    if len(message) > _LONGEST or b"\0" in message:
        raise Malformed(_MALFORMED)
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise Malformed(_MALFORMED) from None


def _unescaped(name: str) -> str:
    if re.search("=(?!2C|3D)", name):
        raise Malformed(_MALFORMED)
    try:
        return user_name(saslprep(name.replace("=2C", ",").replace("=3D", "=")).encode())
    except ValueError:
        raise Malformed("invalid user name") from None


def _escaped(name: str) -> str:
    try:
        return saslprep(name).replace("=", "=3D").replace(",", "=2C")
    except ValueError:
        raise Malformed("invalid user name") from None


def _decoded(text: str, user: str | None = None) -> bytes:
    try:
        octets = b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        raise Malformed(_MALFORMED, user) from None
    if not octets:
        raise Malformed(_MALFORMED, user)
    return octets


def _hmac(digest: str, key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, digest)


def _exclusive_or(one: bytes, other: bytes) -> bytes:
    """Empty where they differ in length: no key's digest is its."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else b""
