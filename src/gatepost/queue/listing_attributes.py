"""The queue's listing as showq(8) sends it to postqueue(1) and to whatever else reads `public/showq`: one record a message.

The first record names the protocol; then each message's facts and, for each recipient, its address and why it waits (empty where
nothing is known yet); the empty record ends it all. Row by row, as everywhere: a long queue costs no memory.
"""

from collections.abc import Iterable, Iterator

from gatepost.mail.address import external, internal
from gatepost.mail.queue_id import parse
from gatepost.proto.attributes import END, ProtocolError, Record, attributes, record
from gatepost.queue.inspect import ListedMessage, Run

_PROTOCOL = ("protocol", "mail_queue_list_protocol")
_NAMES = ("queue_name", "queue_id", "time", "size", "forced_expire", "sender")
_EMPTY_SENDER = "MAILER-DAEMON"


def as_attributes(messages: Iterable[ListedMessage]) -> Iterator[bytes]:
    """Pieces of the stream; whoever has sent them all sends END, which says that the listing is complete."""
    yield record(_PROTOCOL)
    for message in messages:
        yield _facts(message)
        for run in message.runs:
            yield attributes(
                pair for address in run.addresses for pair in (("recipient", external(address)), ("reason", run.reason))
            )
        yield END


def _facts(message: ListedMessage) -> bytes:
    sender = external(message.sender) or _EMPTY_SENDER
    second = message.id.key // 1_000_000
    return attributes(zip(_NAMES, (message.queue, message.id, second, message.size, int(message.expire), sender), strict=True))


def from_attributes(records: Iterable[Record]) -> Iterator[ListedMessage]:
    """The messages that such a stream tells of. Raises ProtocolError, also where the stream ends before its end."""
    stream = iter(records)
    if next(stream, ()) != (_PROTOCOL,):
        raise ProtocolError("not a listing of the queue")
    for one in stream:
        if not one:
            return
        yield _message(one)
    raise ProtocolError("the listing is not complete")


def _message(told: Record) -> ListedMessage:
    facts, waiting = told[: len(_NAMES)], told[len(_NAMES) :]
    if tuple(name for name, _ in facts) != _NAMES:
        raise ProtocolError("a message without its facts")
    queue, identity, _, size, expire, sender = (value for _, value in facts)
    try:
        return ListedMessage(
            parse(identity), "" if sender == _EMPTY_SENDER else internal(sender), int(size), queue, _runs(waiting), expire != "0"
        )
    except ValueError as error:
        raise ProtocolError(str(error)) from None


def _runs(waiting: Record) -> tuple[Run, ...]:
    """Neighbours that wait for one reason are told of together."""
    runs: list[tuple[str, list[str]]] = []
    for (name, address), (why, reason) in zip(waiting[::2], waiting[1::2], strict=True):
        if (name, why) != ("recipient", "reason"):
            raise ProtocolError("a recipient without its reason")
        if not runs or runs[-1][0] != reason:
            runs.append((reason, []))
        runs[-1][1].append(internal(address))
    return tuple(Run(reason, tuple(addresses)) for reason, addresses in runs)
