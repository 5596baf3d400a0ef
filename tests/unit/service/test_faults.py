"""Where faults of our own are told."""

import os
import threading
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.config.configuration import Configuration
from gatepost.events.records import Note
from gatepost.service.faults import Faults
from gatepost.service.log import Log


def _into(path: Path) -> Configuration:
    return CONFIGURATION.with_settings({"maillog_file": str(path)})


def test_a_fault_is_told_where_the_log_goes_by_now(tmp_path: Path) -> None:
    log = Log(_into(tmp_path / "first"))
    faults = Faults(log, "master")
    log.reopen(_into(tmp_path / "second"))
    with open(tmp_path / "other", "wb"):  # has the descriptor that was the log's
        faults.tell(RuntimeError("boom"), "mail goes on")
        faults.tell(RuntimeError("boom"), "mail goes on")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "other").read_bytes() == b""
    first, *trace = (tmp_path / "second").read_text().splitlines()
    assert "panic: RuntimeError: boom: mail goes on; " in first
    assert [line.partition(": ")[2] for line in trace] == ["panic: trace: RuntimeError: boom"]


def test_a_process_that_ends_for_a_thread_leaves_no_line_unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr("sys.unraisablehook", lambda args: None)
    log = Log(_into(tmp_path / "log"))
    Faults(log, "worker").watch_process(needs_threads=True)
    log.emit(Note("smtpd", "the last words"))
    thread = threading.Thread(target=[].pop)
    thread.start()
    thread.join()
    assert ended == [1]
    assert (tmp_path / "log").read_text().endswith(": the last words\n")
