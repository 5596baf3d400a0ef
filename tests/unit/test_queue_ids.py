"""The pattern by which suites that run against Postfix know a queue id in its log (tests/support/postfix.py)."""

import re

import pytest
from tests.support.postfix import QUEUE_ID


@pytest.mark.parametrize(
    "queue_id",
    [
        "0A1B21",  # inode 1
        "BB5EBFAFD",  # an inode of four digits, as a new tmpfs has
        "3D4F61A2B3C4",
        "4dJ4NT3bFtzB1S",  # long, of Postfix
        "4dJ4NT00001zB",
    ],
)
def test_a_queue_id_is_known_whatever_the_file_system(queue_id: str) -> None:
    assert re.fullmatch(QUEUE_ID, queue_id)


@pytest.mark.parametrize(
    "word", ["warning", "error", "fatal", "table", "certificate", "connect", "DEFACE-1", "BB5EB", "sync", "0a1b2cd"]
)
def test_a_word_that_a_log_line_may_begin_with_is_none(word: str) -> None:
    assert not re.fullmatch(QUEUE_ID, word)
