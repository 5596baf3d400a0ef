"""The quarantine: what is kept can be read and forgotten, within its limits, and by nobody else."""

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.settings import default

from gatepost.filter.quarantine.port import Entry, QuarantineFailure
from gatepost.filter.quarantine.store import FOLDER, NoSuchMessage, QuarantineFolder, QuarantineSettings, QuarantineStore

NOW = float(int(time.time()))
MAIL = b"Subject: hello\r\n\r\nx\r\n"
ENTRY = Entry(kind="virus", reason="Eicar", sender="a@b.test", recipients=("c@d.test",), time=NOW, size=len(MAIL))


def store(path: Path, *entries: Entry, size: int = 10_000_000, now: float = NOW, content: bytes = MAIL) -> list[str]:
    settings = replace(default(QuarantineSettings), data_directory=str(path), filter_quarantine_size_limit=size)

    async def keep() -> list[str]:
        one = QuarantineStore(settings, lambda: now)
        return [await one.store(entry, iter((content,))) for entry in entries]

    return asyncio.run(keep())


def test_what_is_kept_can_be_read(tmp_path: Path) -> None:
    hostile = replace(ENTRY, subject="a\r\nb\x1b[2J\udcff", sender='"../../x\n"@b.test')
    name = store(tmp_path, hostile)[0]
    kept = QuarantineFolder(tmp_path).read(name)
    assert (kept.entry, kept.content.read()) == (hostile, MAIL)


def test_nobody_else_can(tmp_path: Path) -> None:
    name = store(tmp_path, ENTRY)[0]
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (tmp_path / FOLDER, tmp_path / FOLDER / name)]
    assert modes == [0o700, 0o600]


def test_names_sort_by_time(tmp_path: Path) -> None:
    names = store(tmp_path, *(replace(ENTRY, time=NOW + hours * 3600) for hours in range(5)))
    assert QuarantineFolder(tmp_path).names() == names


def test_a_full_one_takes_nothing_more(tmp_path: Path) -> None:
    large = replace(ENTRY, size=60_000)
    assert store(tmp_path, large, size=100_000, content=b"x" * 60_000)
    with pytest.raises(QuarantineFailure, match="is full"):
        store(tmp_path, large, size=100_000)
    assert len(QuarantineFolder(tmp_path).names()) == 1


def test_a_full_one_is_not_looked_through_for_each_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has filled it with a million small messages goes on sending."""
    looks: list[float] = []

    def sweep(folder: QuarantineFolder, before: float) -> int:
        looks.append(before)
        return 100_000

    monkeypatch.setattr(QuarantineFolder, "sweep", sweep)
    times = iter((NOW, NOW + 1, NOW + 2, NOW + 6))
    one = QuarantineStore(
        replace(default(QuarantineSettings), data_directory=str(tmp_path), filter_quarantine_size_limit=100_000),
        lambda: next(times),
    )
    for _ in range(4):
        with pytest.raises(QuarantineFailure, match="is full"):
            asyncio.run(one.store(ENTRY, iter((MAIL,))))
    assert len(looks) == 2


def test_small_messages_are_what_they_take(tmp_path: Path) -> None:
    with pytest.raises(QuarantineFailure, match="is full"):
        store(tmp_path, *[replace(ENTRY, size=1)] * 11, size=40_960)
    assert len(QuarantineFolder(tmp_path).names()) == 10


def test_within_one_look_as_well(tmp_path: Path) -> None:
    large = replace(ENTRY, size=60_000)
    with pytest.raises(QuarantineFailure, match="is full"):
        store(tmp_path, large, large, size=100_000, content=b"x" * 60_000)


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    old, new = store(tmp_path, ENTRY, ENTRY)
    lifetime = default(QuarantineSettings).filter_quarantine_time
    os.utime(tmp_path / FOLDER / old, (NOW - lifetime - 1,) * 2)
    os.utime(tmp_path / FOLDER / new, (NOW - lifetime + 1,) * 2)
    later = store(tmp_path, replace(ENTRY, time=NOW + 1))
    assert QuarantineFolder(tmp_path).names() == [new, *later]


def test_what_is_not_whole_is_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"Subject: "
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        QuarantineFolder(tmp_path).write(ENTRY, broken())
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(QuarantineFailure, match="cannot be written"):
        store(tmp_path, ENTRY)


@pytest.mark.parametrize("name", ["../main.cf", "", ".", "20261129T000000-00000000000g", "20261129T000000-0123456789ab"])
def test_other_names(tmp_path: Path, name: str) -> None:
    store(tmp_path, ENTRY)
    with pytest.raises(NoSuchMessage):
        QuarantineFolder(tmp_path).read(name)
    with pytest.raises(NoSuchMessage):
        QuarantineFolder(tmp_path).delete(name)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    name = store(tmp_path, ENTRY)[0]
    (tmp_path / FOLDER / name).write_bytes(b"{")
    with pytest.raises(NoSuchMessage, match="cannot be read"):
        QuarantineFolder(tmp_path).read(name)


def test_no_folder_yet(tmp_path: Path) -> None:
    folder = QuarantineFolder(tmp_path)
    assert (folder.names(), folder.sweep(NOW)) == ([], 0)
