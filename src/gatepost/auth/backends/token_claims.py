"""What a token says of itself, however it was proved (RFC 7519 §4, RFC 7662 §2.2), and whether that lets its bearer in."""

import math
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.auth.backends.names import has_odd_spaces
from gatepost.proto.sasl.port import Malformed, user_name

Claims = Mapping[str, object]
"""A JSON object."""

INVALID: Final = "invalid_token"
NARROW: Final = "insufficient_scope"
"""Errors of RFC 6750 §3.1."""


class WrongToken(Exception):
    """It lets nobody in. The text is for log and client: which rule it breaks, and nothing that is written in it. `status`: for the
    client's program."""

    def __init__(self, text: str, status: str = INVALID) -> None:
        super().__init__(text)
        self.status = status


class CannotSay(Exception):
    """Nobody can say now whether it is right. The text is for the log."""


class Demands(Struct, frozen=True):
    """What a token has to say.

    - `username_claim`: where it names the user;
    - `issuer`, `audiences`: who has made it, and for whom, one of these; empty for any;
    - `scopes`: what it has to allow, all of these;
    - `leeway`: seconds by which clocks may differ;
    - `lasting`: it need not say until when it is good: whoever vouches for it is asked anew.
    """

    username_claim: str
    issuer: str = ""
    audiences: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    leeway: float = 60
    lasting: bool = False


def user_of(claims: Claims, demands: Demands, now: float) -> str:
    """Whose token it is. `now`: seconds since 1970. Raises WrongToken."""
    _check_time(claims, demands, now)
    if demands.issuer and claims.get("iss") != demands.issuer:
        raise WrongToken("the token is of another issuer")
    if demands.audiences and not demands.audiences & _words(claims.get("aud"), split=False):
        raise WrongToken("the token is for another audience")
    granted = _words(claims.get("scope")) | _words(claims.get("scp"))
    if not demands.scopes <= granted:
        raise WrongToken("the token does not allow to send mail", NARROW)
    return _name(claims, demands.username_claim)


def _check_time(claims: Claims, demands: Demands, now: float) -> None:
    expires = _seconds(claims, "exp")
    if expires is None and not demands.lasting:
        raise WrongToken("the token does not say until when it is good")
    if expires is not None and expires <= now - demands.leeway:
        raise WrongToken("the token has expired")
    for name in ("nbf", "iat"):
        begins = _seconds(claims, name)
        if begins is not None and begins > now + demands.leeway:
            raise WrongToken("the token is of the future")


def _seconds(claims: Claims, name: str) -> float | None:
    """A time, None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise WrongToken(f"the token's {name} is no time")
    return value


def _name(claims: Claims, claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str):
        raise WrongToken(f"the token has no {claim}")
    if claim == "email" and claims.get("email_verified") in (False, "false"):  # its user has written it himself
        raise WrongToken("the token's email is not verified")
    try:
        name = user_name(value.encode())
    except (Malformed, UnicodeEncodeError):
        name = ""
    if not name or has_odd_spaces(name):
        raise WrongToken(f"the token's {claim} is no name of a user")
    return name


def _words(value: object, *, split: bool = True) -> frozenset[str]:
    """Texts that stand in a list, or one beside the other."""
    if isinstance(value, str):
        return frozenset(value.split() if split else (value,))
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
