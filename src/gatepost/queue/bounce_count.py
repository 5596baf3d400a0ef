"""Counts what comes back of the mail of those who log in, where somebody wants to know."""

from collections.abc import Awaitable, Callable, Sequence

from gatepost.mail.queued import ActiveMessage
from gatepost.queue.port import Failure, Notifier


class CountedBounces:
    """A Notifier before another. `count` is told (login, number of recipients) once their notice is durable; it raises nothing."""

    def __init__(self, notifier: Notifier, count: Callable[[str, int], Awaitable[None]]) -> None:
        self._notifier = notifier
        self._count = count
        self.delayed = notifier.delayed
        self.succeeded = notifier.succeeded
        self.traced = notifier.traced

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """The same, counted: a notice that could not be made is made again, and counts then."""
        await self._notifier.bounced(message, failures)
        if login := message.envelope.attribute("sasl_username"):
            await self._count(login, len(failures))
