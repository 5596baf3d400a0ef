"""Lines to a file, pipe or socket: nobody waits for them. What is not taken waits within bounds; losses are counted and said."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.service.log_lines import GATHERED_LIMIT, LINGER, ROOM, LogLines
from gatepost.service.log_sinks import FileSink, Sink, SyslogSink


class Bench:
    """Lines to a sink, by a clock and timers that the test drives."""

    def __init__(self, sink: Sink) -> None:
        self.now = 0.0
        self.complaints: list[str] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []
        self.lines = LogLines(sink, lambda lines, why: f"LOST {lines}: {why}\n", self.complaints.append, clock=lambda: self.now)
        self.lines.gather(lambda seconds, then: self.timers.append((seconds, then)))

    def add(self, *lines: str) -> None:
        for line in lines:
            self.lines.add(f"{line}\n")

    def pass_time(self) -> float:
        """Let the one timer fire that is set: after how many seconds that was."""
        ((seconds, then),) = self.timers
        self.timers.clear()
        self.now += seconds
        then()
        return seconds


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    return reader, writer


def _all_of(reader: int) -> str:
    os.set_blocking(reader, False)
    heard = b""
    try:
        while piece := os.read(reader, 1 << 20):
            heard += piece
    except BlockingIOError:
        pass
    return heard.decode()


def test_a_pipe_that_nobody_reads_is_offered_its_lines_again_later_and_later() -> None:
    reader, writer = _pipe()
    bench = Bench(FileSink(writer, "the pipe"))
    sent = [f"{number:05} " + "x" * 994 for number in range(200)]
    bench.add(*sent)
    assert bench.pass_time() == LINGER
    pauses = [bench.pass_time() for _ in range(10)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10 * LINGER
    assert len(bench.complaints) == 1
    heard = _all_of(reader)
    while bench.timers:
        bench.pass_time()
        heard += _all_of(reader)
    assert heard.splitlines() == sent  # nothing was lost, or cut, or said twice
    os.close(reader)
    os.close(writer)


def test_what_finds_no_room_is_counted_and_said_once_the_pipe_is_read_again() -> None:
    reader, writer = _pipe()
    bench = Bench(FileSink(writer, "the pipe"))
    sent = 0
    for _ in range(4 * ROOM // 100_000):
        bench.add(*["x" * 999] * 100)
        sent += 100
        bench.lines.flush()
    bench.lines.flush()
    heard = ""
    while bench.timers:
        heard += _all_of(reader)
        bench.pass_time()
    bench.add("after")
    bench.pass_time()
    lines = (heard + _all_of(reader)).splitlines()
    said = [line for line in lines if line.startswith("LOST")]
    assert said == [f"LOST {sent - lines.count('x' * 999)}: nobody reads it"]
    assert lines[-2:] == [said[0], "after"]
    assert len(heard) < 2 * ROOM
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_always_behind_does_not_read_of_losses_only() -> None:
    reader, writer = _pipe()
    bench = Bench(FileSink(writer, "the pipe"))
    heard = ""
    for _ in range(2000):
        bench.add(*["x" * 999] * 100)
        bench.lines.flush()
        heard += os.read(reader, 8192).decode()
    lines = heard.splitlines()
    assert 0 < sum(line.startswith("LOST") for line in lines) < len(heard) / (ROOM / 4)
    os.close(reader)
    os.close(writer)


def test_two_processes_that_share_a_pipe_cut_no_line_of_each_other() -> None:
    """A pipe takes what fits of a long write; a line that was cut would have another's in its middle."""
    reader, writer = _pipe()
    one, other = Bench(FileSink(writer, "the pipe")), Bench(FileSink(writer, "the pipe"))
    heard = ""
    for number in range(60):
        one.add(*["1" * (700 + number)] * 10)
        other.add(*["2" * (600 + number)] * 10)
        one.lines.flush()
        other.lines.flush()
        heard += os.read(reader, 9000).decode()
    for _ in range(100):
        one.lines.flush()
        other.lines.flush()
        heard += _all_of(reader)
    assert len(heard.splitlines()) == 1200
    assert all(len(set(line)) == 1 for line in heard.splitlines())
    os.close(reader)
    os.close(writer)


def test_a_line_that_was_cut_is_ended_before_another_begins() -> None:
    reader, writer = _pipe()
    bench = Bench(FileSink(writer, "the pipe"))
    bench.add("a" * 50_000, "b" * 50_000, "c")
    bench.lines.flush()
    heard = _all_of(reader)
    bench.add("after")
    bench.lines.flush()
    heard += _all_of(reader)
    assert heard.splitlines() == ["a" * 50_000, "b" * 50_000, "c", "after"]
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("file", ["/dev/full", "closed"])
def test_a_full_disk_and_a_closed_file_are_complained_of_once_a_minute(file: str, tmp_path: Path) -> None:
    descriptor = os.open("/dev/full" if file == "/dev/full" else tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    bench = Bench(FileSink(descriptor, file))
    if file == "closed":
        os.close(descriptor)
    bench.add("one")
    while bench.now < 59:
        bench.pass_time()
    assert len(bench.complaints) == 1
    assert bench.complaints[0].startswith(f"log lines wait, and are lost if that lasts: {file}: ")
    while bench.now < 61:
        bench.pass_time()
    assert len(bench.complaints) == 2
    assert bench.lines.unwritten == 1
    if file != "closed":
        os.close(descriptor)


def test_a_pipe_whose_reader_is_gone_costs_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    bench = Bench(FileSink(writer, "the pipe"))
    for _ in range(30):
        bench.add(*["x" * 999] * 100)
        bench.lines.flush()
    os.close(writer)
    assert bench.complaints == ["log lines wait, and are lost if that lasts: the pipe: Broken pipe"]
    assert bench.lines.unwritten == 3000


def test_lines_that_nobody_flushes_do_not_gather_without_end(tmp_path: Path) -> None:
    sink = FileSink(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT), "log")
    lines = LogLines(sink, lambda lines, why: "", print)
    for _ in range(GATHERED_LIMIT):
        lines.add("x\n")
    sink.close()
    assert (tmp_path / "log").stat().st_size == 2 * GATHERED_LIMIT


def test_many_flushes_by_hand_leave_one_timer_only(tmp_path: Path) -> None:
    reader, writer = _pipe()
    bench = Bench(FileSink(writer, "the pipe"))
    for _ in range(300):
        bench.add("x" * 999)
        bench.lines.flush()
    for _ in range(50):
        bench.pass_time()  # which wants exactly one
    os.close(reader)
    os.close(writer)


def test_a_socket_that_nobody_reads_holds_up_nobody() -> None:
    """Standard output of a service of systemd is one, and blocking, as everybody who shares it wants it."""
    ours, theirs = socket.socketpair()
    bench = Bench(FileSink(ours.fileno(), "stdout"))
    sent = [f"{number:05} " + "x" * 994 for number in range(800)]
    bench.add(*sent)
    bench.lines.flush()
    assert bench.lines.unwritten
    assert ours.getblocking()
    heard = b""
    theirs.settimeout(10)
    while bench.lines.unwritten:
        heard += theirs.recv(1 << 20)
        bench.lines.flush()
    ours.close()
    while piece := theirs.recv(1 << 20):
        heard += piece
    theirs.close()
    assert heard.decode().splitlines() == sent


class Daemon:
    """A syslog daemon that reads when it is told to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def read(self) -> list[str]:
        heard = []
        try:
            while True:
                heard.append(self._socket.recv(100_000).decode())
        except BlockingIOError:
            return heard

    def end(self) -> None:
        self._socket.close()
        self._path.unlink()


def test_a_syslog_daemon_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "log")
    sink = SyslogSink(str(tmp_path / "log"))
    bench = Bench(sink)
    sent = [f"<22>line {number}" for number in range(3000)]
    bench.add(*sent)
    bench.lines.flush()
    assert bench.lines.unwritten
    heard = daemon.read()
    while bench.lines.unwritten:
        bench.pass_time()
        heard += daemon.read()
    assert heard == sent
    daemon.end()
    sink.close()


def test_a_syslog_daemon_that_is_started_again_gets_what_was_said_meanwhile(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "log")
    sink = SyslogSink(str(tmp_path / "log"))
    bench = Bench(sink)
    daemon.end()
    for number in range(5):
        bench.add(f"line {number}")
        bench.pass_time()
    assert bench.lines.unwritten == 5
    daemon = Daemon(tmp_path / "log")
    bench.pass_time()
    assert daemon.read() == [f"line {number}" for number in range(5)]
    daemon.end()
    sink.close()


def test_a_tool_waits_for_a_slow_reader_but_once_only(tmp_path: Path) -> None:
    """Its lines would be lost with its end. `patience` is little here: there is no reader at all."""
    reader, writer = _pipe()
    sink = FileSink(writer, "the pipe")
    lines = LogLines(sink, lambda lines, why: "", lambda text: None, patience=0.01)
    waited = []
    for _ in range(3):
        lines.add("x" * 99_999 + "\n")
        lines.flush()
        waited.append(lines.unwritten)
    assert waited == [1, 2, 3]
    os.close(reader)
    os.close(writer)
