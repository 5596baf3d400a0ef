"""Steps: all that a commit stores and settles, as the rows of one statement.

Each statement that the committer's thread runs gives the interpreter's lock away and has to wait for it again, behind the
event loop: eight statements a commit cost more than what they do. So a commit is one INSERT into the temporary view `step`,
whose triggers put each row where it belongs; outside a transaction the same call also commits and syncs.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec.structs import replace

from gatepost.mail.envelope import Envelope
from gatepost.queue.port import IN_HAND, Ended, NewMessage, Settlement, Status
from gatepost.queue.record import pack, pack_outcome, text_of
from gatepost.queue.schema import placeholders

Step = tuple[object, ...]
"""(what, key, number, status, at, text, by, reason, envelope, its checksum, size, size of the content, its checksum, its offset,
content)"""

_WIDTH = 15
_MESSAGE, _RECIPIENT, _DONE, _WAITS = range(1, 5)
_NO_CONTENT = (None,) * 7
_NOTHING: Step = (None,) * _WIDTH
"""No trigger looks at it: it fills a statement up."""

_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows that a statement may have; few, so that each stays prepared."""

_LARGE = 16_384
"""Octets of a content that stands alone: a prepared statement keeps what it was last given, and there is one for each length."""

FILTER = "filter"
"""Who deletes recipients before they are in the queue, for the ledger."""

LIVE = (Status.QUEUED, Status.HELD, *IN_HAND)

_VIEW = """
CREATE TEMP VIEW step(what, key, number, status, at, text, by, reason, envelope, envelope_crc, size, content_size, content_crc,
    content_offset, content) AS SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0;
CREATE TEMP TRIGGER message_stored INSTEAD OF INSERT ON step WHEN new.what = 1 BEGIN
    INSERT INTO message VALUES (new.key, new.text, new.size, new.number, 0, new.envelope, new.envelope_crc,
        new.content_size, new.content_crc, new.content_offset);
    INSERT INTO content SELECT new.key, new.content WHERE new.content IS NOT NULL;
END;
CREATE TEMP TRIGGER recipient_stored INSTEAD OF INSERT ON step WHEN new.what = 2 BEGIN
    INSERT INTO recipient(key, number, status, due, site, attempts, reason, address)
        VALUES (new.key, new.number, new.status, new.at, '', 0, '', new.text);
END;
CREATE TEMP TRIGGER recipient_done INSTEAD OF INSERT ON step WHEN new.what = 3 BEGIN
    INSERT OR IGNORE INTO ledger VALUES (new.key, new.number, new.status, new.at, new.text, new.by,
        (SELECT address FROM recipient WHERE key = new.key AND number = new.number));
    DELETE FROM recipient WHERE key = new.key AND number = new.number;
    DELETE FROM content WHERE key = new.key AND NOT EXISTS (SELECT 1 FROM recipient WHERE key = new.key);
END;
-- A recipient that a tool has put on hold meanwhile stays there.
CREATE TEMP TRIGGER recipient_waits INSTEAD OF INSERT ON step WHEN new.what = 4 BEGIN
    UPDATE recipient SET status = iif(status IN (6, 9), new.status, status), due = new.at, site = new.by, reason = new.reason,
        outcome = new.text, attempts = attempts + 1 WHERE key = new.key AND number = new.number;
END;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the view on a connection, once. Raises sqlite3.Error."""
    connection.executescript(_VIEW)


def put(message: NewMessage, guest: int, content: bytes | None, crc: int, offset: int) -> list[Step]:
    """A message to store: `content` None where it is a file, in which it begins at `offset`; `crc` its checksum. Its recipients
    are HELD, or in hand: of the owner, or of the `guest` of that number (0: of none). Those who do not get it are in the ledger at
    once, with numbers after those of the others."""
    key, envelope, ended = message.id.key, message.envelope, message.ended
    acknowledged = envelope if not ended else _with(envelope, ended)
    packed = pack(acknowledged)
    steps: list[Step] = [(
        _MESSAGE, key, len(acknowledged.recipients), None, None, text_of(envelope.sender), None, None, packed, zlib.crc32(packed),
        message.size, message.content.size, crc, offset, content,
    )]  # fmt: skip
    status, due = Status.ACTIVE, int(message.id.arrival)
    if envelope.hold:
        status = Status.HELD
    elif guest:
        status, due = Status.UNDER_WAY, guest
    for number, recipient in enumerate(envelope.recipients):
        steps.append((_RECIPIENT, key, number, int(status), due, text_of(recipient.address), None, None, *_NO_CONTENT))
    for number, one in enumerate(ended, len(envelope.recipients)):
        steps.append((_RECIPIENT, key, number, int(status), due, text_of(one.recipient.address), None, None, *_NO_CONTENT))
        steps.append(settle(Settlement(message.id, number, Status.DELETED, one.outcome, by=FILTER), message.id.arrival))
    return steps


def _with(envelope: Envelope, ended: Sequence[Ended]) -> Envelope:
    return replace(envelope, recipients=(*envelope.recipients, *(one.recipient for one in ended)))


def settle(settlement: Settlement, at: float) -> Step:
    """How an attempt left a recipient, at that time (seconds since 1970)."""
    outcome = settlement.outcome
    if settlement.status in LIVE:
        what, at, by, reason = _WAITS, settlement.due, settlement.site, text_of(outcome.text)
    else:
        what, by, reason = _DONE, settlement.by, ""
    return (
        what, settlement.id.key, settlement.index, int(settlement.status), at, pack_outcome(outcome), by, reason, *_NO_CONTENT
    )  # fmt: skip


def portions(steps: Iterable[Step]) -> list[list[Step]]:
    """`steps` in their order, in as few statements as may be."""
    found: list[list[Step]] = []
    room = 0
    for step in steps:
        content = step[-1]
        alone = isinstance(content, bytes) and len(content) > _LARGE
        if alone or not room:
            found.append([])
        found[-1].append(step)
        room = 0 if alone else (room or _LENGTHS[-1]) - 1
    return found


def run(connection: sqlite3.Connection, portion: Sequence[Step]) -> None:
    """Take a portion of steps. Raises sqlite3.Error."""
    statement, length = _statement(len(portion))
    filled = [*portion, *[_NOTHING] * (length - len(portion))]
    connection.execute(statement, [value for step in filled for value in step])


@lru_cache(_LENGTHS[-1])
def _statement(steps: int) -> tuple[str, int]:
    """The statement for that many steps, and how many rows it takes."""
    length = next(length for length in _LENGTHS if length >= steps)
    return "INSERT INTO step VALUES " + placeholders(_WIDTH, length), length
