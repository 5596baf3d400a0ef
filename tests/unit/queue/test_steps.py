"""How steps become statements: few of them, of few lengths, and none that keeps large contents in memory."""

import sqlite3
from pathlib import Path

import pytest

from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.queue import schema, steps
from gatepost.queue.port import NewMessage

ENVELOPE = Envelope("a@example.com", (Recipient("b@example.net"),))


def stored(key: int, octets: int) -> list[steps.Step]:
    content = MemoryContent(b"x" * octets)
    return steps.put(NewMessage(QueueId(key, 1), ENVELOPE, content, octets), 0, content.data, 0, -1)


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([], []),
        ([100], [2]),
        ([100] * 32, [64]),
        ([100] * 33, [64, 2]),
        ([250_000], [1, 1]),
        ([100, 250_000, 100], [2, 1, 3]),
        ([250_000, 250_000], [1, 1, 1, 1]),
    ],
)
def test_portions(sizes: list[int], lengths: list[int]) -> None:
    work = [step for number, size in enumerate(sizes) for step in stored(number, size)]
    found = steps.portions(work)
    assert [len(portion) for portion in found] == lengths
    assert [step for portion in found for step in portion] == work


@pytest.mark.parametrize("count", range(1, 65))
def test_a_statement_takes_any_number_of_steps(tmp_path: Path, count: int) -> None:
    connection = schema.connect(tmp_path)
    steps.prepare(connection)
    work = [step for key in range(64) for step in stored(key, 10)][:count]
    [portion] = steps.portions(work)
    steps.run(connection, portion)
    assert _count(connection, "message") + _count(connection, "recipient") == count
    assert _count(connection, "content") == _count(connection, "message")
    connection.close()


def _count(connection: sqlite3.Connection, table: str) -> int:
    number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return number
