"""What SpamAssassin has learned is taken over, and given back as it came."""

from pathlib import Path

import pytest

from gatepost.filter.bayes.dump import NoDump, dump, restore
from gatepost.filter.bayes.port import Count, Learned
from gatepost.filter.bayes.store import open_store

DUMP = (
    "v\t3\tdb_version # this must be the first line!!!\n"
    "v\t500\tnum_spam\n"
    "v\t400\tnum_nonspam\n"
    "t\t0\t1\t1178899659\t03823fc33b\n"
    "t\t61\t140\t1764444797\t0623e506fc\n"
    "s\th\t04e1c218fe764905c15c34f2578f961a4141442f@sa_generated\n"
    "s\ts\t19ada5bcc8ae0c19c3bbafeb9201237d28c93f09@sa_generated\n"
)


def test_a_dump_comes_back_as_it_was(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    restore(store, DUMP.splitlines(keepends=True))
    assert store.learned() == Learned(ham=400, spam=500)
    assert store.counts([bytes.fromhex("0623e506fc")]) == {bytes.fromhex("0623e506fc"): Count(61, 140, 1764444797)}
    assert "".join(dump(store)) == DUMP


def test_what_was_there_before_is_gone(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for _ in range(2):
        restore(store, DUMP.splitlines())
    assert store.learned() == Learned(ham=400, spam=500)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "empty"),
        ("t\t1\t1\t1\t03823fc33b\n", "line 1"),
        (DUMP + "t\t1\t1\t1\t03823f\n", "line 8"),
        (DUMP + "t\t-1\t1\t1\t03823fc33b\n", "line 8"),
        (DUMP + "t\t1\n", "line 8"),
        (DUMP + "s\tx\tm\n", "line 8"),
        (DUMP + "some other text\n", "line 8"),
    ],
)
def test_what_is_no_dump_changes_nothing(tmp_path: Path, text: str, line: str) -> None:
    store = open_store(tmp_path)
    restore(store, DUMP.splitlines())
    with pytest.raises(NoDump, match=line):
        restore(store, text.splitlines(keepends=True))
    assert "".join(dump(store)) == DUMP
