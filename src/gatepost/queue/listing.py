"""The queue as postqueue(1) lists it: for people, and as JSON lines. Row by row: a million queued recipients cost no memory."""

import json
import time
from collections.abc import Iterable, Iterator

from gatepost.mail.address import external
from gatepost.queue.inspect import ListedMessage, ListedRecipient

_HEAD = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
_MARKS = {"active": "*", "hold": "!"}
_EMPTY_SENDER = "MAILER-DAEMON"


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
    mark = _MARKS.get(message.queue, "") + ("#" if message.expire else "")
    sender = external(message.sender) or _EMPTY_SENDER
    lines = [f"{str(message.id) + mark:<17} {message.size:>8} {stamps.of(message.id.key)} {sender}\n"]
    told = ""
    for recipient in message.recipients:
        if recipient.reason != told:
            told = recipient.reason
            if told:
                lines.append(f"{'(' + told + ')':>78}\n")
        lines.append(f"{'':47}{external(recipient.address)}\n")
    return "".join(lines)


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
            "recipients": [_recipient(recipient) for recipient in message.recipients],
        }
        yield json.dumps(facts, ensure_ascii=False) + "\n"


def _recipient(recipient: ListedRecipient) -> dict[str, str]:
    found = {"address": external(recipient.address)}
    if recipient.reason:
        found["delay_reason"] = recipient.reason
    return found
