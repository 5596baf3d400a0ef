"""What an authority answers (RFC 8555 §7.1, RFC 7807), as values. What is not understood is an AcmeFailure, never half believed.

email.utils is imported when it is used: only who has ACME pays for it.
"""

import contextlib
import re
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from gatepost.acme.port import AcmeFailure, shown
from gatepost.proto.http import Response

T = TypeVar("T")

MOST_OCTETS: Final = 131072
"""Of one answer: a chain of certificates is the longest, with some 10,000."""
_LONGEST_WAIT: Final = 86400.0  # seconds of a Retry-After that are believed
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,256}", re.ASCII)
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_ERRORS: Final = "urn:ietf:params:acme:error:"


class Problem(Struct, frozen=True):
    """A problem document (RFC 7807). `subproblems`: one for each identifier (RFC 8555 §6.7.1)."""

    type: str = ""
    detail: str = ""
    subproblems: tuple["Problem", ...] = ()

    @property
    def name(self) -> str:
        """The type without what all types of ACME begin with: `badNonce`."""
        return self.type.removeprefix(_ERRORS)

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.detail}" if self.name else self.detail, *(one.detail for one in self.subproblems)]
        return shown("; ".join(part for part in parts if part))


class _Camel(Struct, frozen=True, rename="camel"):
    """Members are in camel case; those that we do not know are passed over."""


class Meta(_Camel, frozen=True):
    """`terms_of_service`: a URL; `external_account_required`: accounts are for who has one there already."""

    terms_of_service: str = ""
    external_account_required: bool = False


class Directory(_Camel, frozen=True):
    """RFC 8555 §7.1.1: where what is done."""

    new_nonce: str
    new_account: str
    new_order: str
    meta: Meta = Meta()


class Order(_Camel, frozen=True):
    """RFC 8555 §7.1.3. `status`: pending, ready, processing, valid or invalid; `certificate`: its URL, once it is valid."""

    status: str
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str = ""
    error: Problem | None = None


class Challenge(_Camel, frozen=True):
    """RFC 8555 §8. `error`: why it was not met."""

    type: str
    url: str
    token: str = ""
    error: Problem | None = None

    def checked_token(self) -> str:
        """The token. Raises AcmeFailure for one that could mean something else in a path."""
        if _TOKEN.fullmatch(self.token) is None:
            raise AcmeFailure("the authority sent a token that is none")
        return self.token


class Identifier(_Camel, frozen=True):
    """RFC 8555 §7.1.4. `type`: dns."""

    type: str
    value: str


class Authorization(_Camel, frozen=True):
    """RFC 8555 §7.1.4. `status`: pending, valid, invalid, deactivated, expired or revoked."""

    status: str
    identifier: Identifier
    challenges: tuple[Challenge, ...] = ()


class Account(_Camel, frozen=True):
    """RFC 8555 §7.1.2. `status`: valid, deactivated or revoked."""

    status: str = "valid"


def read(response: Response, kind: type[T], whose: str) -> T:
    """The value in an answer; `whose`: who gave it, for the failure. Raises AcmeFailure."""
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AcmeFailure(f"{whose}: an answer that is none: {shown(str(error))}") from None


def problem(response: Response) -> Problem:
    """What is wrong, in the words of the authority; its status where it has no others."""
    told = Problem()
    if response.header("content-type").startswith("application/problem+json"):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            told = msgspec.json.decode(response.body, type=Problem)
    return told if told.type or told.detail else Problem(detail=f"answered with status {response.status}")


def nonce(response: Response) -> str:
    """The nonce that came with an answer, empty where none did (RFC 8555 §6.5.1)."""
    found = response.header("replay-nonce")
    return found if _NONCE.fullmatch(found) else ""


def retry_after(response: Response, now: float) -> float:
    """Seconds to wait (RFC 9110 §10.2.3), a day at most; 0 where nothing is said. `now`: seconds since 1970."""
    from email.utils import parsedate_to_datetime

    text = response.header("retry-after")
    if text.isascii() and text.isdigit():
        wait = float(text[:9])
    else:
        try:
            wait = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            wait = 0.0
    return min(max(wait, 0.0), _LONGEST_WAIT)
