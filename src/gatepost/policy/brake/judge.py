"""Whether a message of a login goes out or is held: a function of the limits, what is known of the login, the message and time."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.policy.brake.account import Account, Block, counted, networks_with
from gatepost.policy.brake.counts import DAY, HOUR, Counts, Measure, Period, total
from gatepost.policy.brake.settings import BrakeSettings

WARN: Final = "warn"
"""The word of submission_limit_action that only tells."""

_NAMES: Final = {
    Measure.MESSAGE: "messages",
    Measure.RECIPIENT: "recipients",
    Measure.NEW_RECIPIENT: "new recipients",
    Measure.BOUNCE: "bounces",
    Measure.NEW_NETWORK: "new networks",
}


class Limit(Struct, frozen=True):
    """How much of something a login may do in a period; `parameter`: who says so."""

    parameter: str
    measure: Measure
    period: Period
    most: int


class Message(Struct, frozen=True):
    """What counts of a message: its number of recipients, how many of them are new, and the client's network."""

    recipients: int
    new_recipients: int
    network: str


class Judgement(Struct, frozen=True):
    """What becomes of a message.

    - `account`: what is to be stored, None for nothing new;
    - `held`: it goes to the hold queue;
    - `begins`: it is the first of a burst, and the login is blocked from now on;
    - `why`: for the log, empty where nothing is wrong.
    """

    account: Account | None
    held: bool = False
    begins: bool = False
    why: str = ""


def limits_of(settings: BrakeSettings) -> tuple[Limit, ...]:
    """The limits that are set."""
    found = []
    for measure in Measure:
        for period in (HOUR, DAY):
            parameter = f"submission_{measure.name.lower()}_{period.name}_limit"
            if most := getattr(settings, parameter):
                found.append(Limit(parameter, measure, period, most))
    return tuple(found)


def judge(limits: Sequence[Limit], settings: BrakeSettings, account: Account, message: Message, now: float) -> Judgement:
    """What becomes of a message at `now`, seconds since 1970. What is held does not count, since it is not sent."""
    if account.block is not None:
        return Judgement(None, held=True, why=account.block.why)
    account = replace(account, seen=int(now))
    new_network = bool(message.network) and message.network not in networks_with(account, "", now, settings.submission_max_age)
    after = counted(account, (1, message.recipients, message.new_recipients, 0, int(new_network)), now)
    why = exceeded(limits, after, now)
    if why and settings.submission_limit_action != WARN:
        return Judgement(replace(account, block=Block(int(now), why)), held=True, begins=True, why=why)
    networks = networks_with(account, message.network, now, settings.submission_max_age)
    return Judgement(replace(after, networks=networks), why=why)


def exceeded(limits: Sequence[Limit], account: Account, now: float) -> str:
    """What is too much, in words; empty where nothing is."""
    counts: dict[Period, Counts] = {HOUR: total(account.hour, HOUR, now), DAY: total(account.day, DAY, now)}
    return ", ".join(
        f"{counts[limit.period][limit.measure]} {_NAMES[limit.measure]} in {_in(limit.period)}, {limit.parameter} is {limit.most}"
        for limit in limits
        if counts[limit.period][limit.measure] > limit.most
    )


def _in(period: Period) -> str:
    return "an hour" if period is HOUR else "a day"
