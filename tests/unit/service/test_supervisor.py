"""What a reload that fails leaves behind: nothing."""

import errno
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.service.master import supervisor
from gatepost.service.master.children import Child, Children
from gatepost.service.master.supervisor import Supervisor


def test_a_reload_for_which_there_are_no_processes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork(*_: object) -> Child:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    said: list[str] = []
    opened: list[Any] = []
    closed: list[bool] = []
    new = CONFIGURATION.with_settings({"worker_processes": "1"})
    listeners = SimpleNamespace(close_new=lambda: closed.append(True))
    monkeypatch.setattr(supervisor, "load_to_serve", lambda directory: new)
    monkeypatch.setattr(Children, "fork", fork)
    one = Supervisor.__new__(Supervisor)
    one._directory, one._demo = Path("/etc/postfix"), True
    one._log = SimpleNamespace(reopen=opened.append, emit=lambda note: said.append(note.text), flush=lambda: None)  # type: ignore[assignment]
    one._children = Children()
    one._generations, one._generation = itertools.count(2), 1
    one._configuration, one._settings = CONFIGURATION, SimpleNamespace()  # type: ignore[assignment]
    one._listeners = SimpleNamespace(rebound=lambda configuration: listeners)  # type: ignore[assignment]
    before = one._configuration, one._settings, one._listeners, one._generation

    one._reload()

    assert (one._configuration, one._settings, one._listeners, one._generation) == before
    assert opened == [new, CONFIGURATION]
    assert closed == [True]
    assert said[0] == "cannot start a worker: Resource temporarily unavailable"
    assert said[1].startswith("reload refused, the old configuration keeps running")
