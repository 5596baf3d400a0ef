"""What this room speaks: how it asks the authority, what it has others publish, and its one failure."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from msgspec import Struct

from gatepost.proto.http import Request, Response

HTTP_01: Final = "http-01"
TLS_ALPN_01: Final = "tls-alpn-01"


class AcmeFailure(Exception):
    """There is no certificate this time. The text is for people; what the authority said in it is printable and short.
    `wait`: seconds for which the authority asks to be left alone, 0 where it does not."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Proof(Struct, frozen=True):
    """What shows the authority that a domain is ours.

    - `domain`: in A-labels;
    - `token`: what the authority asks for, of its own choosing (base64url);
    - `key_authorization`: what it wants to see (RFC 8555 §8.1).
    """

    domain: str
    token: str
    key_authorization: str


Fetch = Callable[[Request], Awaitable[Response]]
"""Asks over HTTPS, within limits of time and octets. Raises AcmeFailure."""

Respond = Callable[[Sequence[Proof]], AbstractAsyncContextManager[None]]
"""Answers the authority's questions with these proofs, for as long as the context is entered. Raises AcmeFailure."""

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""


def shown(text: str, most: int = 300) -> str:
    """What a stranger wrote, fit for a line of the log."""
    return "".join(one if " " <= one <= "~" else "?" for one in text[:most])
