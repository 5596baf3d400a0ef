"""The queue as postqueue(1) lists it: for people, and as JSON lines. Row by row: a million queued recipients cost no memory.

People have terminals, and strangers chose the addresses: what is not printable becomes `?`, as in Postfix.
"""

import json
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache

from gatepost.events.maillog import printable
from gatepost.mail.address import all_plain, external
from gatepost.mail.queue_id import QueueId
from gatepost.queue.inspect import Batch, ListedMessage, Singles

_HEAD = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
_MARKS = {"active": "*", "hold": "!"}
_EMPTY_SENDER = "MAILER-DAEMON"
_INDENT = " " * 47
_SEPARATOR = f"\n{_INDENT}"
_BLOCK = f"%-17s %8d %s %s\n%s{_INDENT}%s\n\n"
"""Name, size, time, sender, why and for whom it waits."""


def for_people(batches: Iterable[Batch]) -> Iterator[str]:
    """Blocks of the listing, with a summary as the last one."""
    count = octets = 0
    stamps = _Stamps()
    for batch in batches:
        sizes = batch.sizes if isinstance(batch, Singles) else [message.size for message in batch]
        yield f"{_HEAD if not count else ''}{''.join(_blocks(batch, stamps))}"
        count += len(sizes)
        octets += sum(sizes)
    if count:
        yield f"-- {octets // 1024} Kbytes in {count} Request{'' if count == 1 else 's'}.\n"
    else:
        yield "Mail queue is empty\n"


class _Stamps:
    """Times of arrival; the text of a second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def of(self, identity: QueueId) -> str:
        second = identity.key // 1_000_000
        if second != self._second:
            self._second = second
            self._text = time.strftime("%a %b %d %H:%M:%S", time.localtime(second))
        return self._text


def _are_plain(batch: Singles) -> bool:
    """Whether each address is written as it stands: one look at all of them tells."""
    return all_plain(list(filter(None, batch.senders))) and all_plain(batch.addresses)


def _marked(identity: QueueId, queue: str, expire: bool) -> str:
    return f"{identity}{_MARKS.get(queue, '')}{'#' if expire else ''}"


def _blocks(batch: Batch, stamps: _Stamps) -> Iterable[str]:
    if not isinstance(batch, Singles) or not _are_plain(batch):
        return [_block(message, stamps) for message in batch]
    marked = any(batch.expire) or not _MARKS.keys().isdisjoint(batch.queues)
    names = map(_marked, batch.ids, batch.queues, batch.expire) if marked else map(str, batch.ids)
    senders = [sender or _EMPTY_SENDER for sender in batch.senders]
    reasons = map(_reason, batch.reasons)
    return map(_BLOCK.__mod__, zip(names, batch.sizes, map(stamps.of, batch.ids), senders, reasons, batch.addresses, strict=True))


def _block(message: ListedMessage, stamps: _Stamps) -> str:
    name = _marked(message.id, message.queue, message.expire)
    sender = printable(external(message.sender)) or _EMPTY_SENDER
    waiting = "".join([
        f"{_reason(run.reason)}{_INDENT}{_SEPARATOR.join([printable(external(address)) for address in run.addresses])}\n"
        for run in message.runs
    ])  # fmt: skip
    return f"{name:<17} {message.size:>8} {stamps.of(message.id)} {sender}\n{waiting}\n"


@lru_cache(256)
def _reason(text: str) -> str:
    """Neighbours wait for the same."""
    return f"{'(' + printable(text) + ')':>78}\n" if text else ""


def as_json(batches: Iterable[Batch]) -> Iterator[str]:
    """Blocks of one line for each message, with the names that postqueue(1) documents."""
    for batch in batches:
        yield "".join(_json_lines(batch))


_JSON = (
    '{"queue_name": "%s", "queue_id": "%s", "arrival_time": %d, "message_size": %d, "forced_expire": %s, "sender": %s, '
    '"recipients": [%s]}\n'
)
_JSON_BOOLEAN = ("false", "true")


def _json_lines(batch: Batch) -> Iterable[str]:
    if not isinstance(batch, Singles) or not _are_plain(batch):
        return map(_json_line, batch)
    times = [identity.key // 1_000_000 for identity in batch.ids]
    senders = [f'"{sender or _EMPTY_SENDER}"' for sender in batch.senders]
    waiting = [
        f'{{"address": "{address}"{why}}}' for address, why in zip(batch.addresses, map(_delay_reason, batch.reasons), strict=True)
    ]
    expire = map(_JSON_BOOLEAN.__getitem__, batch.expire)
    return map(_JSON.__mod__, zip(batch.queues, batch.ids, times, batch.sizes, expire, senders, waiting, strict=True))


def _json_line(message: ListedMessage) -> str:
    waiting = ", ".join([
        f'{{"address": {_as_json(external(address))}{_delay_reason(run.reason)}}}'
        for run in message.runs
        for address in run.addresses
    ])  # fmt: skip
    return _JSON % (
        message.queue, message.id, message.id.key // 1_000_000, message.size, _JSON_BOOLEAN[message.expire],
        _as_json(external(message.sender) or _EMPTY_SENDER), waiting,
    )  # fmt: skip


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@lru_cache(256)
def _delay_reason(text: str) -> str:
    return f', "delay_reason": {_as_json(text)}' if text else ""
