"""`oauth:PATH`: users who show a token that an OpenID provider has given them (XOAUTH2, OAUTHBEARER).

The name that a client gives, if it does, has to be the token's, upper and lower case aside; the user is known by the token's.
"""

from collections.abc import Callable
from typing import Final, Protocol

from gatepost.auth.backends.introspection import Introspected
from gatepost.auth.backends.signed_token import LONGEST, Signature, claims, head
from gatepost.auth.backends.token_claims import CannotSay, Claims, Demands, WrongToken, user_of
from gatepost.auth.backends.token_keys import Keys
from gatepost.auth.port import Attempt
from gatepost.proto.sasl.port import Accepted, IsToken, Question, TokenRefused, Unavailable, Verdict


class Proof(Protocol):
    """How it is found out whether a token is genuine, and what it says."""

    async def claims(self, token: bytes, client: str) -> Claims:
        """`client`: the address of whoever shows it. Raises WrongToken, CannotSay."""
        ...

    async def probe(self) -> None:
        """Raises CannotSay where that cannot be found out for anybody."""
        ...


class BySignature:
    """By the keys of its issuer."""

    def __init__(self, wanted: Signature, keys: Keys) -> None:
        self._wanted = wanted
        self._keys = keys

    async def claims(self, token: bytes, client: str) -> Claims:
        signed = head(token, self._wanted)
        try:
            return claims(token, signed, await self._keys.for_token(signed))
        except WrongToken:
            if signed.key or not await self._keys.renew():
                raise
        return claims(token, signed, await self._keys.for_token(signed))

    async def probe(self) -> None:
        await self._keys.probe()


class ByIssuer:
    """By asking its issuer, who may make it of anything that goes over the wire (RFC 6750 §2.1)."""

    def __init__(self, introspected: Introspected) -> None:
        self._introspected = introspected

    async def claims(self, token: bytes, client: str) -> Claims:
        if len(token) > LONGEST:
            raise WrongToken("the token is too long")
        return await self._introspected.claims(token, client)

    async def probe(self) -> None:
        await self._introspected.probe()


class TokenUsers:
    """A Checker. `configuration`: the URL of the issuer's configuration, told to those whose token is refused, empty for none;
    `now`: seconds since 1970."""

    answers: frozenset[type[Question]] = frozenset((IsToken,))

    def __init__(self, proof: Proof, demands: Demands, configuration: str, now: Callable[[], float]) -> None:
        self._proof = proof
        self._demands = demands
        self._configuration = configuration
        self._now = now

    async def probe(self) -> None:
        """Raises CannotSay where no token could be judged now."""
        await self._proof.probe()

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsToken)
        try:
            found = await self._proof.claims(question.token.octets, attempt.client_address)
            user = user_of(found, self._demands, self._now())
            if question.user and question.user.casefold() != user.casefold():
                raise WrongToken(_ANOTHER)
        except WrongToken as wrong:
            scope = " ".join(sorted(self._demands.scopes))
            return TokenRefused(str(wrong), status=wrong.status, scope=scope, configuration=self._configuration)
        except CannotSay as failure:
            return Unavailable(str(failure))
        return Accepted(user)


_ANOTHER: Final = "the token is another user's"
