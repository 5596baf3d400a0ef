"""Decisions of the scheduler, as Postfix's queue manager makes them (qmgr(8), SCHEDULER_README). No I/O, no clock.

Times are seconds since 1970 unless said otherwise.
"""

import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from gatepost.mail.address import split as split_address
from gatepost.mail.ascii_text import SPACE
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queued import QueuedRecipient
from gatepost.queue.settings import QueueSettings, TransportLimits

Feedback = Callable[[float], float]

_SCALES: dict[str, Feedback] = {
    "": lambda window: 1.0,
    "concurrency": lambda window: 1.0 / window,
    "sqrt_concurrency": lambda window: 1.0 / math.sqrt(window),
}


def next_attempt(now: float, arrival: float, settings: QueueSettings) -> float:
    """When to try again: the message waits once more as long as it has waited, between the minimal and the maximal
    back-off time, and then for the next queue run (`queue_run_delay`)."""
    ready = now + min(max(now - arrival, settings.minimal_backoff_time), settings.maximal_backoff_time)
    return next_run(ready, settings.queue_run_delay)


def next_run(time: float, queue_run_delay: float) -> float:
    """The first queue run from `time` on."""
    return math.ceil(time / queue_run_delay) * queue_run_delay if queue_run_delay else time


def lifetime(envelope: Envelope, settings: QueueSettings) -> float:
    """Seconds that a message may stay: `bounce_queue_lifetime`, if less, for those of the null sender."""
    longest = settings.maximal_queue_lifetime
    return longest if envelope.sender else min(settings.bounce_queue_lifetime, longest)


def is_expired(envelope: Envelope, now: float, arrival: float, settings: QueueSettings) -> bool:
    """Whether what could not be delivered now goes back to its sender."""
    return now - arrival > lifetime(envelope, settings)


def is_late(warned: bool, now: float, arrival: float, settings: QueueSettings) -> bool:
    """Whether the sender is to be told that delivery takes long (`delay_warning_time`, 0: never). The last second counts as
    late, as in Postfix."""
    return not warned and 0 < settings.delay_warning_time <= now - arrival + 1


def with_verp(envelope: Envelope, recipient: Recipient) -> Envelope:
    """`envelope` with the sender that names its recipient, as the submitter knew it, between the VERP delimiters (VERP_README):
    `list+user=host@domain`; `list+user@domain` where no host was given."""
    local, _, domain = envelope.sender.rpartition("@")
    before, between = envelope.verp[0], envelope.verp[-1]
    user, host = split_address(recipient.original or recipient.address)
    named = f"{user}{between}{host}" if host else user
    return replace(envelope, sender=f"{local}{before}{named}@{domain}") if local else envelope


def feedback(text: str) -> Feedback:
    """The feedback function that `text` (`number` or `number/scale`) names. Raises ValueError."""
    number, _, scale = text.partition("/")
    by_window = _SCALES.get(scale.strip(SPACE))
    if by_window is None:
        raise ValueError(f"bad concurrency feedback: {text!r}")
    weight = float(number)
    return lambda window: weight * by_window(window)


def delivery_order(queued: QueuedRecipient) -> tuple[str, str]:
    """Sort key: recipients of one destination are delivered to, and told of, by domain and then by local part, as in Postfix."""
    local, _, domain = queued.recipient.address.rpartition("@")
    return domain.lower(), local


def split(recipients: Sequence[QueuedRecipient], limit: int) -> list[tuple[QueuedRecipient, ...]]:
    """`recipients` in requests of at most `limit` (0: no limit)."""
    size = limit or len(recipients) or 1
    return [tuple(recipients[i : i + size]) for i in range(0, len(recipients), size)]


class Window:
    """How many deliveries to one destination may run at once. It opens with each delivery that reaches the destination and
    closes with each that does not; after `failed_cohort_limit` whole windows of failures the destination is dead.

    The arithmetic, including its rounding, is that which SCHEDULER_README describes."""

    __slots__ = ("_cohort_limit", "_cohorts", "_failure", "_initial", "_limit", "_negative", "_positive", "_success", "size")

    def __init__(self, limits: TransportLimits) -> None:
        self._limit = 1 if limits.destination_rate_delay > 0 else limits.destination_concurrency_limit
        initial = limits.initial_destination_concurrency
        self._initial = min(initial, self._limit) if self._limit else initial
        self._positive = feedback(limits.destination_concurrency_positive_feedback)
        self._negative = feedback(limits.destination_concurrency_negative_feedback)
        self._cohort_limit = limits.destination_concurrency_failed_cohort_limit
        self.reset()

    def reset(self) -> None:
        """As for a destination never seen."""
        self.size = self._initial
        self._success = self._failure = self._cohorts = 0.0

    def succeeded(self, busy: int) -> None:
        """A delivery reached the destination while `busy` were running, it included."""
        self._cohorts = 0.0
        if (self._limit and self.size >= self._limit) or self.size >= busy + self._initial:
            return
        step = self._positive(self.size)
        self._success += step
        while self._success + step / 2 >= 1:
            self.size += 1
            self._success -= 1
            self._failure = 0.0
        if self._limit:
            self.size = min(self.size, self._limit)

    def failed(self) -> bool:
        """The destination could not be reached. True when it is dead now."""
        self._cohorts += 1 / self.size
        if self._cohort_limit and self._cohorts >= self._cohort_limit:
            return True
        step = self._negative(self.size)
        self._failure -= step
        while self._failure - step / 2 < 0:
            self.size -= 1
            self._success = 0.0
            self._failure += 1
        self.size = max(self.size, 1)
        return False
