"""The queue as postqueue(1) lists it: for people, and as JSON lines. Row by row: a million queued recipients cost no memory.

People have terminals, and strangers chose the addresses: what is not printable becomes `?`, as in Postfix.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator

from gatepost.events.maillog import printable
from gatepost.mail.address import external
from gatepost.queue.inspect import ListedMessage

_HEAD = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
_MARKS = {"active": "*", "hold": "!"}
_EMPTY_SENDER = "MAILER-DAEMON"
_INDENT = " " * 47
_LINE = "\n"
_SEPARATOR = _LINE + _INDENT

# Addresses that need no quotes, which one look at all of them tells: a listing of a million spends its time here.
_ATOMS = r"[A-Za-z0-9_+=/-]++(?:\.[A-Za-z0-9_+=/-]++)*+@[A-Za-z0-9.-]++"
_PLAIN = re.compile(rf"{_ATOMS}(?:\n{_ATOMS})*+\Z")


def for_people(messages: Iterable[ListedMessage]) -> Iterator[str]:
    """Blocks of the listing, with a summary as the last one."""
    count = octets = 0
    stamps = _Stamps()
    for message in messages:
        yield f"{_HEAD if not count else ''}{_message(message, stamps)}\n"
        count += 1
        octets += message.size
    if count:
        yield f"-- {octets // 1024} Kbytes in {count} Request{'' if count == 1 else 's'}.\n"
    else:
        yield "Mail queue is empty\n"


class _Stamps:
    """Times of arrival; the text of a second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def of(self, microseconds: int) -> str:
        second = microseconds // 1_000_000
        if second != self._second:
            self._second = second
            self._text = time.strftime("%a %b %d %H:%M:%S", time.localtime(second))
        return self._text


def _message(message: ListedMessage, stamps: _Stamps) -> str:
    identity = message.id
    name = str(identity) + _MARKS.get(message.queue, "") + ("#" if message.expire else "")
    text = f"{name:<17} {message.size:>8} {stamps.of(identity.key)} {printable(external(message.sender)) or _EMPTY_SENDER}\n"
    for run in message.runs:
        if run.reason:
            text += f"{'(' + printable(run.reason) + ')':>78}\n"
        text += (
            f"{_INDENT}{_SEPARATOR.join(run.addresses) if _PLAIN.match(_LINE.join(run.addresses)) else _quoted(run.addresses)}\n"
        )
    return text


def _quoted(addresses: Iterable[str]) -> str:
    return _SEPARATOR.join(printable(external(address)) for address in addresses)


def as_json(messages: Iterable[ListedMessage]) -> Iterator[str]:
    """One line for each message, with the names that postqueue(1) documents."""
    for message in messages:
        facts = {
            "queue_name": message.queue,
            "queue_id": str(message.id),
            "arrival_time": message.id.key // 1_000_000,
            "message_size": message.size,
            "forced_expire": message.expire,
            "sender": external(message.sender) or _EMPTY_SENDER,
            "recipients": [_recipient(run.reason, address) for run in message.runs for address in run.addresses],
        }
        yield json.dumps(facts, ensure_ascii=False) + "\n"


def _recipient(reason: str, address: str) -> dict[str, str]:
    found = {"address": external(address)}
    if reason:
        found["delay_reason"] = reason
    return found
