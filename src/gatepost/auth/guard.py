"""Guessing is slowed: so many wrong passwords from a network, and of a user, and nobody is asked about more for a while.

- The same wrong password of a user counts once: a telephone that tries an old one every minute guesses nothing.
- A guess counts before it is tried, and is taken back where it was none: many at one time cannot slip through, in any worker.
- Who is turned away hears that it is for now (454), for the password may be right.
- A user has a count of his own in each network from which he has logged in: whoever guesses elsewhere does not shut him out, nor
  does another one there.
- Tokens count as passwords do; one that comes without a name counts for the network alone.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gatepost.auth.backends.names import folded
from gatepost.auth.port import Attempt, Checker
from gatepost.lookup.port import LookupFailure
from gatepost.proto.sasl.port import Accepted, HasShown, IsPassword, IsToken, Question, Refused, Unavailable, Verdict
from gatepost.state.guesses import Guesses


class GuardSettings(Struct, frozen=True):
    """A limit of 0 is none."""

    smtpd_auth_client_guess_limit: int
    smtpd_auth_user_guess_limit: int
    smtpd_auth_ipv4_prefix_length: int
    smtpd_auth_ipv6_prefix_length: int


class _Limit(Struct, frozen=True):
    """`name`: what is counted; `most`: so many wrong passwords; `whose`: for the log."""

    name: str
    most: int
    whose: str


class _Claim(Struct, frozen=True):
    """A guess that may be tried. `counted`: the names that it was counted for; `password`: its digest, empty where it was known."""

    familiar: str
    counted: tuple[str, ...] = ()
    password: str = ""


class _TurnedAway(Exception):
    """There were too many wrong ones. The text is for the log."""


Excepted = Callable[[str, str], Awaitable[bool]]
"""(name, address): whether a client has no limit of its own (smtpd_client_event_limit_exceptions)."""


class Guard:
    """A Checker over another."""

    def __init__(self, checker: Checker, settings: GuardSettings, guesses: Guesses, excepted: Excepted) -> None:
        self._checker = checker
        self._settings = settings
        self._guesses = guesses
        self._excepted = excepted
        self.answers = checker.answers | {HasShown}

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        try:
            limits, familiar = await self._limits(question.user, attempt)
            if not isinstance(question, IsPassword | IsToken | HasShown):  # keys: no guess yet
                return await self._checker.check(question, attempt)
            claim = await self._claim(question, limits, familiar)
        except _TurnedAway as turned:
            return Unavailable(str(turned))
        verdict = await self._judged(question, attempt)
        await self._settle(claim, verdict)
        return verdict

    async def _judged(self, question: IsPassword | IsToken | HasShown, attempt: Attempt) -> Verdict:
        """What the client has shown is judged already; its password is not."""
        if isinstance(question, IsPassword | IsToken):
            return await self._checker.check(question, attempt)
        return Accepted(question.user) if question.right else Refused()

    async def _limits(self, user: str, attempt: Attempt) -> tuple[list[_Limit], str]:
        """What the guess counts for, and the name of this user in this network, empty where nobody says who he is. Raises
        _TurnedAway where a limit is reached."""
        network = self._network(attempt.client_address)
        user = folded(user)  # which of them a back end takes for one name, it alone knows
        familiar = f"{user}\0{network}" if user else ""
        of_user, of_client = self._settings.smtpd_auth_user_guess_limit, self._settings.smtpd_auth_client_guess_limit
        if familiar and await self._guesses.familiar.number(familiar):
            limits = [_Limit(f"familiar {familiar}", of_user, "of this user")]
        else:
            limits = [_Limit(f"user {user}", of_user, "of this user")] if user else []
            if not await self._is_excepted(attempt):
                limits.append(_Limit(f"network {network}", of_client, f"from {network}"))
        limits = [limit for limit in limits if limit.most]
        for limit in limits:
            if await self._guesses.counts.number(limit.name) >= limit.most:
                raise _TurnedAway(f"too many wrong passwords {limit.whose}")
        return limits, familiar

    async def _is_excepted(self, attempt: Attempt) -> bool:
        try:
            return await self._excepted(attempt.client_name, attempt.client_address)
        except LookupFailure:
            return False

    async def _claim(self, question: IsPassword | IsToken | HasShown, limits: list[_Limit], familiar: str) -> _Claim:
        """Count a guess before it is tried, or before the client hears of it. Raises _TurnedAway."""
        password = ""
        if not isinstance(question, HasShown):  # by what a client has shown, nobody sees which password it was
            secret = question.password if isinstance(question, IsPassword) else question.token
            password = self._guesses.digest(question.user, secret.octets)
            if await self._guesses.seen.count(password) > 1:
                return _Claim(familiar)
        counted: list[str] = []
        for limit in limits:
            counted.append(limit.name)
            if await self._guesses.counts.count(limit.name) > limit.most:  # others were quicker
                await self._take_back(_Claim(familiar, tuple(counted), password))
                raise _TurnedAway(f"too many wrong passwords {limit.whose}")
        return _Claim(familiar, tuple(counted), password)

    async def _settle(self, claim: _Claim, verdict: Verdict) -> None:
        """What was no wrong password is taken back. Where nobody has lived to hear the verdict, it counts."""
        if isinstance(verdict, Refused):
            return
        await self._take_back(claim)
        if isinstance(verdict, Accepted) and claim.familiar and not await self._guesses.familiar.number(claim.familiar):
            await self._guesses.familiar.count(claim.familiar)

    async def _take_back(self, claim: _Claim) -> None:
        for name in claim.counted:
            await self._guesses.counts.take_back(name)
        if claim.password:
            await self._guesses.seen.take_back(claim.password)

    def _network(self, address: str) -> str:
        """The network of an address, by which a client is known; what is no address is known by itself."""
        try:
            known = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return address or _NOWHERE
        if isinstance(known, ipaddress.IPv6Address):
            known = known.ipv4_mapped or known
        settings = self._settings
        length = settings.smtpd_auth_ipv4_prefix_length if known.version == 4 else settings.smtpd_auth_ipv6_prefix_length
        return str(ipaddress.ip_network((known, length), strict=False))


_NOWHERE: Final = "unknown"
