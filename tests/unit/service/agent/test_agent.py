"""The agent's desk: letters that are delivered together, what is too much, what comes too late."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatepost.deliver import mailbox
from gatepost.deliver.mailbox import Arrival, Mailbox, MailboxError
from gatepost.deliver.privileged import Answer, Asked, Done, Failed, Letter, Request, WriteMaildir, WriteMaildirs
from gatepost.service.agent.agent import Desk, NoRoom, Slots

EVERYTHING: Any = SimpleNamespace(allow=lambda request: True)
UNHEARD: Any = SimpleNamespace(emit=lambda event: None, flush=lambda: None)
LATER = time.monotonic() + 3600


def _letter(path: str) -> Letter:
    return Letter(Mailbox(path, os.getuid(), os.getgid()), b"Subject: x\n\ny\n")


def answers(
    request: Request | WriteMaildirs, *, body: Iterable[bytes] = (), until: float = LATER, slots: Slots | None = None
) -> list[list[tuple[int, Answer]]]:
    desk = Desk(EVERYTHING, slots or Slots(9, 9))
    return list(desk.answers(Asked(request, until), iter(body), UNHEARD))


def settled(request: WriteMaildirs, until: float = LATER) -> dict[int, Answer]:
    return dict(answer for some in answers(request, until=until) for answer in some)


def test_a_path_that_no_file_can_have_fails_alone(tmp_path: Path) -> None:
    letters = (_letter(f"{tmp_path}/anna/"), _letter(f"{tmp_path}/a\0b/"), _letter(f"{tmp_path}/berta/"))
    found = settled(WriteMaildirs(letters))
    assert (found[0], found[2]) == (Done(), Done())
    assert isinstance(found[1], Failed)
    assert found[1].enhanced == "4.3.0"
    for name in ("anna", "berta"):
        assert len(list((tmp_path / name / "new").iterdir())) == 1
        assert not list((tmp_path / name / "tmp").iterdir())


def test_letters_of_one_maildir_share_its_sync_and_others_are_answered_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever hangs from some Maildir on, what became of those before it is known."""
    settles = []
    monkeypatch.setattr(Arrival, "settle", lambda arrival: settles.append(arrival.box.path))
    letters = tuple(_letter(f"{tmp_path}/{name}/") for name in ("anna", "berta", "anna"))
    batches = [batch for batch in answers(WriteMaildirs(letters)) if batch]
    assert [[index for index, _ in batch] for batch in batches] == [[0, 2], [1]]
    assert settles == [f"{tmp_path}/anna/", f"{tmp_path}/berta/"]


def test_a_maildir_that_cannot_be_settled_has_none_of_its_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arrival: Arrival) -> None:
        arrival.take_back()
        raise MailboxError("4.3.0", "no")

    monkeypatch.setattr(Arrival, "settle", broken)
    found = settled(WriteMaildirs((_letter(f"{tmp_path}/anna/"), _letter(f"{tmp_path}/anna/"))))
    assert [type(answer) for answer in found.values()] == [Failed, Failed]
    assert not list((tmp_path / "anna").rglob("*.*"))


def test_letters_that_took_too_long_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox.time, "monotonic", lambda: LATER + 1)
    found = settled(WriteMaildirs((_letter(f"{tmp_path}/anna/"),)), until=LATER + 2)
    assert found == {0: Done()}
    found = settled(WriteMaildirs((_letter(f"{tmp_path}/berta/"),)))
    assert isinstance(found[0], Failed)
    assert not (tmp_path / "berta").exists()


def test_one_user_does_not_take_all_room(tmp_path: Path) -> None:
    slots = Slots(9, 1)
    with slots.user(os.getuid()):
        ((_, answer),) = answers(WriteMaildir(_letter(f"{tmp_path}/anna/").box), body=[b"x"], slots=slots)[0:1][0]
        assert isinstance(answer, Failed)
        assert answer.enhanced == "4.3.2"
        with slots.user(os.getuid() + 1):
            pass
    ((_, answer),) = answers(WriteMaildir(_letter(f"{tmp_path}/anna/").box), body=[b"x"], slots=slots)[0]
    assert answer == Done()


def test_there_are_so_many_connections_and_no_more() -> None:
    slots = Slots(1, 1)
    with slots.connection():
        with pytest.raises(NoRoom), slots.connection():
            pass
    with slots.connection():
        pass
