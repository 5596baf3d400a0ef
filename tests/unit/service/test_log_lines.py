"""Lines to a file or pipe: what cannot be written is lost, and harms nobody."""

import os
from pathlib import Path

import pytest

from gatepost.service.log_lines import GATHERED_LIMIT, LogLines


def test_lines_after_one_that_was_cut_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe takes what fits; once it is read again, the line in its middle is ended before another begins."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    lines = LogLines(writer, "the pipe")
    long = "x" * 50_000 + "\n"
    for line in (long, long, "lost\n"):
        lines.add(line)
    lines.flush()
    heard = os.read(reader, 1 << 20)
    lines.add("after\n")
    lines.flush()
    heard += os.read(reader, 1 << 20)
    os.close(reader)
    os.close(writer)
    assert heard.decode() == f"{long}{long}after\n"
    assert "1 log lines lost: the pipe" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["/dev/full", "closed"])
def test_a_full_disk_and_a_closed_file_cost_lines_only(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    descriptor = os.open("/dev/full" if file == "/dev/full" else tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    lines = LogLines(descriptor, file)
    if file == "closed":
        os.close(descriptor)
    lines.add("one\n")
    lines.flush()
    assert f"1 log lines lost: {file}" in capsys.readouterr().err
    if file != "closed":
        os.close(descriptor)


def test_a_pipe_whose_reader_is_gone_costs_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = LogLines(writer, "the pipe")
    lines.add("one\n")
    lines.flush()
    os.close(writer)
    assert "lost: the pipe: Broken pipe" in capsys.readouterr().err


def test_lines_that_nobody_flushes_do_not_gather_without_end(tmp_path: Path) -> None:
    lines = LogLines(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT), "log", on_first=lambda: None)
    for _ in range(GATHERED_LIMIT):
        lines.add("x\n")
    lines.close()
    assert (tmp_path / "log").stat().st_size == 2 * GATHERED_LIMIT
