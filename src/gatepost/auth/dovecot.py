"""Log-ins that Dovecot's authentication server runs: mechanisms and users are its own (smtpd_sasl_type = dovecot).

There is one connection for all sessions, opened when it is needed. Failure: NotNow, within the time limit, whatever is wrong with
the server; what it says of a user is believed.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Callable

from gatepost.auth.port import Ask, Attempt, LoggedIn, NoMechanisms, NotLoggedIn, NotNow, Offered, Progress
from gatepost.net.stream_client import Session, StreamClient
from gatepost.net.stream_port import NOT_ASKED, StreamFailure, TimeLimits, Trouble
from gatepost.proto import dovecot_auth
from gatepost.proto.dovecot_auth import Continued, Greeting, Listening, Message, Refused, Succeeded
from gatepost.proto.sasl.mechanisms import Trait

_ENDLESS = TimeLimits(read=0, whole=0)
_TRAITS = frozenset(Trait)
_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
_LOST = "Connection lost to authentication server"


class DovecotSasl:
    """`time_limit`: seconds for an answer; `warn`: lines for the log."""

    def __init__(self, client: StreamClient, time_limit: float, warn: Callable[[str], None]) -> None:
        self._client = client
        self._time_limit = time_limit
        self._warn = warn
        self._link: _Link | None = None
        self._opening = asyncio.Lock()

    async def offered(self) -> tuple[Offered, ...]:
        """What the server said last; while it is away, before that."""
        try:
            link = await self.link()
        except StreamFailure as failure:
            if self._link is None:
                raise NoMechanisms(failure.words) from None
            link = self._link
        return link.offered

    def converse(self, attempt: Attempt) -> "DovecotConversation":
        return DovecotConversation(self, attempt)

    async def link(self) -> "_Link":
        """The connection. Raises StreamFailure."""
        async with self._opening:
            if self._link is None or self._link.closed:
                self._link = await self._open()
            return self._link

    async def _open(self) -> "_Link":
        name = self._client.server.name
        try:
            session = await self._client.begin()
        except StreamFailure as failure:
            if failure.trouble not in NOT_ASKED:
                self._warn(f"SASL: Connect to {name} failed: {failure.words}")
            raise
        try:
            greeting = await session.ask(Greeting(os.getpid()))
        except BaseException as error:
            session.end()
            if isinstance(error, StreamFailure):
                self._warn(f"SASL: {name}: no greeting of an authentication server: {error.words}")
            raise
        offered = tuple(
            Offered(one.name, frozenset(Trait(word) for word in one.properties & _TRAITS))
            for one in greeting
            if "private" not in one.properties
        )
        link = _Link(session, offered, self._time_limit)
        await asyncio.sleep(0)  # it listens before anybody asks: an answer to nobody ends a connection
        return link


class _Link:
    """A connection after the greetings."""

    def __init__(self, session: Session, offered: tuple[Offered, ...], time_limit: float) -> None:
        self.offered = offered
        self.closed = False
        self._session = session
        self._time_limit = time_limit
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    def number(self) -> int:
        """A number for a new request."""
        return next(self._numbers)

    async def ask(self, number: int, octets: bytes) -> Message:
        """The answer to a request. Raises StreamFailure, TimeoutError."""
        if self.closed:
            raise StreamFailure(Trouble.CLOSED)
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._session.stream.say(octets)
            async with asyncio.timeout(self._time_limit or None):
                return await waiting
        except BaseException:
            self.cancel(number)
            raise
        finally:
            self._waiting.pop(number, None)

    def cancel(self, number: int) -> None:
        """Nobody waits for that request any more."""
        if not self.closed:
            self._session.stream.say(dovecot_auth.cancel(number))

    async def _listen(self) -> None:
        failure = StreamFailure(Trouble.CLOSED)
        try:
            await self._session.ask(Listening(self._heard), _ENDLESS)
        except StreamFailure as problem:
            failure = problem
        finally:
            self.closed = True
            self._session.end()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(failure)

    def _heard(self, message: Message) -> None:
        waiting = self._waiting.get(message.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


class DovecotConversation:
    """One exchange. Base64 is passed on as it came, once it is sure to be nothing else."""

    def __init__(self, sasl: DovecotSasl, attempt: Attempt) -> None:
        self._sasl = sasl
        self._attempt = attempt
        self._link: _Link | None = None
        self._number = 0
        self._open = False

    async def start(self, initial: str | None) -> Progress:
        if initial is not None and not _BASE64.fullmatch(initial):
            return NotLoggedIn("Invalid base64 data in initial response")
        try:
            self._link = await self._sasl.link()
        except StreamFailure as failure:
            return NotNow(failure.words, _LOST)
        attempt, self._number = self._attempt, self._link.number()
        return await self._ask(
            dovecot_auth.begin(
                self._number, attempt.mechanism, attempt.service, attempt.server_address, attempt.client_address,
                secured=attempt.secured, initial=initial,
            )
        )  # fmt: skip

    async def respond(self, response: str) -> Progress:
        if not _BASE64.fullmatch(response):
            return NotLoggedIn("Invalid base64 data in continued response")
        return await self._ask(dovecot_auth.go_on(self._number, response))

    def close(self) -> None:
        if self._open and self._link is not None:
            self._open = False
            self._link.cancel(self._number)

    async def _ask(self, octets: bytes) -> Progress:
        assert self._link is not None
        self._open = False
        try:
            answer = await self._link.ask(self._number, octets)
        except StreamFailure:
            return NotNow(_LOST, _LOST)
        except TimeoutError:
            return NotNow("authentication server does not answer in time")
        self._open = isinstance(answer, Continued)
        return _progress(answer)


def _progress(answer: Message) -> Progress:
    if isinstance(answer, Continued):
        return Ask(answer.challenge)
    if isinstance(answer, Succeeded):
        return LoggedIn(answer.user)
    assert isinstance(answer, Refused)
    return NotNow(answer.reason, answer.reason, answer.user) if answer.temporary else NotLoggedIn(answer.reason, answer.user)
