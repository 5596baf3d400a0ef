"""Tables of passwords that root alone may read, and that change: the agent is asked for each change once."""

import os
from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.deliver.privileged import Answer, Done, Failed, ReadTable
from gatepost.lookup import root_files
from gatepost.service.password_tables import PasswordTables


@pytest.fixture(autouse=True)
def of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_files, "_TAKEN", {})


class Agent:
    """`answers`: one after the other, the last for ever. `asked`: the paths."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, request: ReadTable) -> Answer:
        self.asked.append(request.path)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def changed(file: Path, time: int) -> str:
    os.utime(file, ns=(time, time))
    return str(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "sasl_passwd"
    found.touch(0o600)
    root_files.take([str(found)])
    return found


def test_a_change_is_read_once(file: Path) -> None:
    agent, told = Agent(Done(b"new")), list[str]()
    tables = PasswordTables([str(file), f"{file}.lmdb"], agent.ask, told.append)
    drive(tables.look())
    assert agent.asked == []
    path = changed(file, 1)
    for _ in range(3):
        drive(tables.look())
    assert agent.asked == [path] and root_files.contents(path) == b"new" and not told


def test_an_agent_that_is_away_is_asked_again(file: Path) -> None:
    agent, told = Agent(Failed("4.3.0", "nobody there", unseen=True), Done(b"new")), list[str]()
    tables = PasswordTables([str(file)], agent.ask, told.append)
    path = changed(file, 1)
    drive(tables.look())
    assert root_files.contents(path) == b""
    drive(tables.look())
    assert root_files.contents(path) == b"new" and not told


def test_what_cannot_be_read_is_told_once(file: Path) -> None:
    agent, told = Agent(Failed("4.3.5", "not allowed")), list[str]()
    tables = PasswordTables([str(file)], agent.ask, told.append)
    path = changed(file, 1)
    for _ in range(3):
        drive(tables.look())
    assert agent.asked == [path]
    assert told == [f"{path} has changed: not allowed: what was read before stands until the next reload"]
    changed(file, 2)
    drive(tables.look())
    assert len(told) == 2
