"""What the queue store costs: microseconds of time and of CPU a message, put and settled, at several batch sizes.

python -m bench.store [MESSAGES [DIRECTORY]]
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import sent
from gatepost.queue.port import NewMessage, Settlement, Status
from gatepost.queue.store import SqliteStore

BATCHES = (1, 2, 5, 20)
ENVELOPE = Envelope(
    "sender@client.test",
    (Recipient("someone@remote.test", "someone@remote.test"),),
    attributes=(("log_client_name", "client.test"), ("client_address", "192.0.2.1"), ("rewrite_context", "local")),
)
CONTENT = MemoryContent(b"Subject: bench\r\n\r\n" + b"x" * 76 * 64 + b"\r\n")
SENT = sent("250 2.0.0 Ok: queued as 12345")


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def one(store: SqliteStore, messages: int) -> None:
    for _ in range(messages):
        message = NewMessage(store.new_id(), ENVELOPE, CONTENT, CONTENT.size)
        await store.put(message)
        store.settle((Settlement(message.id, 0, Status.DELIVERED, SENT),))


async def measure(directory: Path, batch: int, messages: int) -> None:
    store = SqliteStore(directory, 1, emit=print)
    began, began_cpu = time.perf_counter(), cpu()
    async with asyncio.TaskGroup() as group:
        for _ in range(batch):
            group.create_task(one(store, messages // batch))
    elapsed, used = time.perf_counter() - began, cpu() - began_cpu
    store.close()
    print(f"batch {batch:3}: {elapsed / messages * 1e6:7.1f} µs a message, {used / messages * 1e6:7.1f} µs CPU")


def main() -> None:
    import uvloop

    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        for batch in BATCHES:
            (Path(name) / str(batch)).mkdir()
            uvloop.run(measure(Path(name) / str(batch), batch, messages))


if __name__ == "__main__":
    main()
