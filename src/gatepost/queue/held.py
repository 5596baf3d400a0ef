"""Messages on hold, chosen by what their envelopes say."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId
from gatepost.queue.inspect import Trouble, ignore, open_partition
from gatepost.queue.port import Status
from gatepost.queue.schema import DATABASE, directories
from gatepost.queue.transaction import DamagedMessage, checked_envelope

_HELD = f"""
SELECT key, envelope, envelope_crc FROM message
WHERE key > ? AND key IN (SELECT key FROM recipient WHERE status = {int(Status.HELD)}) ORDER BY key LIMIT ?"""
_AT_ONCE = 200


def held(
    queue_directory: Path, wanted: Callable[[Envelope], bool], trouble: Trouble = ignore
) -> Iterator[tuple[QueueId, Envelope]]:
    """The messages on hold that are wanted, partition by partition. `trouble` hears of what is damaged. Raises sqlite3.Error."""
    for partition, directory in directories(queue_directory):
        if not (directory / DATABASE).exists():
            continue
        connection = open_partition(directory)
        try:
            after = -1
            while rows := connection.execute(_HELD, (after, _AT_ONCE)).fetchall():
                after = rows[-1][0]
                for key, packed, crc in rows:
                    try:
                        envelope = checked_envelope(key, packed, crc)
                    except DamagedMessage as error:
                        trouble(directory, error)
                        continue
                    if wanted(envelope):
                        yield QueueId(key, partition), envelope
        finally:
            connection.close()
