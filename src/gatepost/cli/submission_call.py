"""What `gatepost submission` does. Logins, and what is told of their mail, are what others sent: what is not printable
is escaped."""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gatepost.cli.command import Command, person
from gatepost.cli.state_call import StateCall
from gatepost.cli.terminal import date, shown
from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId
from gatepost.policy.brake.account import ACCOUNTS, HELD_BY, Account, account_of, key_of
from gatepost.policy.brake.brake import block, lift
from gatepost.policy.brake.counts import DAY, HOUR, Measure, total
from gatepost.policy.brake.judge import limits_of
from gatepost.policy.brake.recipients import RECIPIENTS, digests, known, living, with_used
from gatepost.policy.brake.settings import BrakeSettings
from gatepost.queue import actions
from gatepost.queue.held import held
from gatepost.state.update import update

_SHOWN = 20  # held messages of which `show` tells one by one
_DAY = 86400
_LISTED = "{:<32} {:<19} {:>6} {:>13} {:>13}  {}"
_COUNTED = "    {:<16} {:>10} {:>10}"


class Call(StateCall):
    """One call of the command: its words, the settings, the state store and the queue. `flag`: its option was given."""

    def __init__(self, command: Command, login: str, flag: bool) -> None:
        super().__init__(command)
        self.login = login
        self.key = key_of(login)
        self.flag = flag
        self.settings = command.configuration.view(BrakeSettings)
        self.limited = any(
            limits_of(command.configuration.view(BrakeSettings, entry.overrides)) for entry in command.configuration.services
        )
        self.now = time.time()
        self.person = person()

    def held(self, login_key: bytes | None = None) -> Mapping[bytes, list[tuple[QueueId, Envelope]]]:
        """What the brake has held, by login; of one alone where it is named."""
        found: dict[bytes, list[tuple[QueueId, Envelope]]] = {}
        for queue_id, envelope in held(self.command.queue_directory, _by_the_brake, self._damaged):
            key = key_of(envelope.attribute("sasl_username"))
            if login_key in (None, key):
                found.setdefault(key, []).append((queue_id, envelope))
        return found

    def _damaged(self, directory: Path, error: Exception) -> None:
        self.command.warn(f"{directory}: {error}", logged=False)

    def tell(self, text: str) -> None:
        """What was done, for who sits here and in the log."""
        print(text)
        self.command.log(text)


Verb = Callable[[Call], Awaitable[int]]


def _by_the_brake(envelope: Envelope) -> bool:
    return envelope.hold and envelope.attribute("quarantine").startswith(HELD_BY)


async def list_(call: Call) -> int:
    on_hold = call.held()
    accounts = {key: account_of(entry, "") async for key, entry in call.state.iterate(ACCOUNTS)}
    for key, messages in on_hold.items():
        accounts.setdefault(key, Account(messages[0][1].attribute("sasl_username")))
    rows = [(key, account) for key, account in accounts.items() if call.flag or account.block or key in on_hold]
    if rows:
        print(_LISTED.format("LOGIN", "BLOCKED SINCE (UTC)", "HELD", "HOUR mail/rcp", "DAY mail/rcp", "WHY").rstrip())
    for key, account in sorted(rows, key=lambda row: row[1].login):
        hour, day = total(account.hour, HOUR, call.now), total(account.day, DAY, call.now)
        since, why = (date(account.block.since), shown(account.block.why)) if account.block else ("-", "")
        number = len(on_hold.get(key, ()))
        login = shown(account.login)
        print(_LISTED.format(login, since, number, f"{hour[0]}/{hour[1]}", f"{day[0]}/{day[1]}", why).rstrip())
    return 0


async def show(call: Call) -> int:
    entry = await call.state.get(ACCOUNTS, call.key)
    messages = call.held(call.key).get(call.key, [])
    if entry is None and not messages:
        return _unknown(call)
    account = account_of(entry, call.login)
    print(shown(account.login))
    print(f"    blocked since {date(account.block.since)}: {shown(account.block.why)}" if account.block else "    not blocked")
    if account.seen:
        print(f"    sent last at {date(account.seen)}")
    print(_COUNTED.format("", "last hour", "last day"))
    hour, day = total(account.hour, HOUR, call.now), total(account.day, DAY, call.now)
    for measure in Measure:
        name = measure.name.lower().replace("_", " ") + "s"
        print(_COUNTED.format(name, hour[measure], day[measure]))
    people = living(known(await call.state.get(RECIPIENTS, call.key)), call.now, call.settings.submission_max_age)
    print(f"    recipients it has written to: {len(people)}")
    for network, last in sorted(account.networks.items(), key=lambda row: -row[1]):
        print(f"    from {shown(network)}, last on {date(last * _DAY)[:10]}")
    print(f"    messages on hold: {len(messages)}")
    for queue_id, envelope in messages[:_SHOWN]:
        number = len(envelope.recipients)
        print(f"    {queue_id}  from <{shown(envelope.sender)}>  {number} recipient{'s' * (number > 1)}")
    if len(messages) > _SHOWN:
        print(f"    and {len(messages) - _SHOWN} more")
    return 0


async def block_(call: Call) -> int:
    if not call.limited:
        call.command.warn("no limit of submission_* is set: nobody looks at who is blocked", logged=False)
    why = f"blocked by {call.person}"
    new = await block(call.state, call.login, why, call.now, call.settings.submission_max_age)
    call.tell(f"{shown(call.login)}: {'blocked' if new else 'was blocked already'}")
    return 0


async def lift_(call: Call) -> int:
    was = await lift(call.state, call.login, call.now, call.settings.submission_max_age)
    call.tell(f"{shown(call.login)}: {'not blocked any more' if was else 'was not blocked'}")
    return 0


async def release(call: Call) -> int:
    """What is good was sent to people who are known from now on."""
    done = await _settle(call, actions.RELEASE, "released")
    if people := [recipient.original for envelope in done for recipient in envelope.recipients]:
        used, max_age = digests(call.key, people), call.settings.submission_max_age
        await update(call.state, RECIPIENTS, call.key, lambda entry: with_used(known(entry), used, call.now, max_age))
    return 0 if done or call.flag else 1


async def purge(call: Call) -> int:
    done = await _settle(call, actions.DELETE, "deleted")
    return 0 if done or call.flag else 1


async def _settle(call: Call, action: actions.Action, word: str) -> list[Envelope]:
    """Do that to all that is held; the envelopes of what was. The block is lifted first, so that nothing more is held meanwhile."""
    if call.flag:
        await lift_(call)
    messages = dict(call.held(call.key).get(call.key, ()))
    done, _ = actions.by_ids(
        call.command.queue_directory, action, messages, queues=("hold",), by=call.person, now=call.now, due=call.now
    )  # fmt: skip
    call.tell(f"{shown(call.login)}: {len(done)} message{'' if len(done) == 1 else 's'} {word}")
    return [messages[queue_id] for queue_id in done]


def _unknown(call: Call) -> int:
    call.command.say(f"{shown(call.login)} has sent nothing lately", logged=False)
    return 1


VERBS: Mapping[str, Verb] = {
    "list": list_,
    "show": show,
    "block": block_,
    "lift": lift_,
    "release": release,
    "purge": purge,
}
