"""What all tests of the shared state have."""

import pytest

from gatepost.state import sqlite_store


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_PAUSE", "_RETRY_PAUSE"):
        monkeypatch.setattr(sqlite_store, name, 0.05)
