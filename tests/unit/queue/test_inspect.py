"""Reading the queue: messages of all partitions in the order of arrival, however their rows come in."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.queue_id import QueueId
from gatepost.queue import inspect, schema
from gatepost.queue.inspect import Run, Singles

_MESSAGES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 7)), max_size=8, unique_by=lambda message: message[0])
"""Keys, and how many recipients each has."""


@given(st.lists(_MESSAGES, max_size=3), st.integers(1, 4))
def test_messages_come_whole_and_in_order(partitions: list[list[tuple[int, int]]], at_once: int) -> None:
    """Of any partition, any number of rows may have been read when another shows the next message."""
    rows = [
        [(key, number, index) for key, recipients in sorted(messages) for index in range(recipients)]
        for number, messages in enumerate(partitions)
    ]
    read = (iter([of_one[at : at + at_once] for at in range(0, len(of_one), at_once)]) for of_one in rows)
    found = list(inspect._in_order(read))
    assert [row for batch in found for row in batch] == sorted(row for of_one in rows for row in of_one)
    whole = [{row[:2] for row in batch} for batch in found]
    assert sum(map(len, whole)) == len(set().union(*whole))


def _fill(directory: Path, *rows: tuple[int, int, object, int, object, object]) -> None:
    """A partition with these rows: key, number, status, attempts, reason, address."""
    directory.mkdir(parents=True)
    connection = schema.connect(directory)
    for key in {row[0] for row in rows}:
        connection.execute("INSERT INTO message(key, sender, size, flags) VALUES (?, 's@x.test', 9e999, 2)", (key,))
    connection.executemany("INSERT INTO recipient(key, number, status, attempts, reason, address) VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.close()


def test_all_partitions_are_listed_together(tmp_path: Path) -> None:
    store = tmp_path / schema.STORE
    _fill(store / "1", (5, 0, 0, 1, "why", "a@x"), (5, 1, 0, 1, "why", "b@x"), (5, 2, 0, 0, "", "c@x"), (9, 0, 1, 0, "", "d@x"))
    _fill(store / "2", (7, 0, 6, 0, "", "e@x"), (8, 0, 8, 0, "", "f@x"))
    (store / "3").mkdir()
    (store / "3" / schema.DATABASE).write_text("this is no database, and long enough to be looked at as one" * 20)
    troubles: list[Path] = []
    found = list(inspect.messages(tmp_path, lambda path, _: troubles.append(path)))
    assert [(message.id, message.queue) for message in found] == [
        (QueueId(5, 1), "deferred"), (QueueId(7, 2), "active"), (QueueId(8, 2), "maildrop"), (QueueId(9, 1), "hold"),
    ]  # fmt: skip
    assert found[0].runs == (Run("why", ("a@x", "b@x")), Run("", ("c@x",)))
    assert all(message.expire and message.size > 0 for message in found)
    assert troubles == [store / "3"]


def test_what_a_damaged_row_holds_is_listed_all_the_same(tmp_path: Path) -> None:
    """Alone, and beside a message of two recipients: the ways of both are the same."""
    damaged = (1, 0, b"\xff", "x", None, b"\xffa@x"), (2, 0, "odd", None, 7, None)
    _fill(tmp_path / "1" / schema.STORE / "1", *damaged)
    _fill(tmp_path / "2" / schema.STORE / "1", *damaged, (3, 0, 0, 0, "", "a@x"), (3, 1, 0, 0, "", "b@x"))
    batches = list(inspect.batches(tmp_path / "1"))
    assert all(isinstance(batch, Singles) for batch in batches)
    alone = [message for batch in batches for message in batch]
    beside = list(inspect.messages(tmp_path / "2"))
    assert alone == beside[:2]
    assert [message.queue for message in alone] == ["hold", "hold"]
    assert [message.runs for message in alone] == [(Run("", ("\udcffa@x",)),), (Run("7", ("",)),)]
