"""Who is the supervisor: the process that holds the lock, whatever the file says."""

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatepost.service.master import pid_file
from gatepost.service.master.directories import UnsafeDirectory

Elsewhere = Callable[[Callable[[], object]], int]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Do something in another process, which then waits to be ended; its pid."""
    started: list[int] = []

    def start(work: Callable[[], object]) -> int:
        done, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            kept = work()  # noqa: F841 a file that is closed is unlocked
            os.write(tell, b"\n")
            signal.pause()
        started.append(pid)
        os.close(tell)
        os.read(done, 1)
        os.close(done)
        return pid

    yield start
    for pid in started:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    (tmp_path / "pid").mkdir(mode=0o755)
    return tmp_path


def test_nobody(queue: Path) -> None:
    assert pid_file.holder(queue) is None
    (queue / "pid" / "master.pid").write_text(f"{os.getppid()}\n")
    assert pid_file.holder(queue) is None


def test_the_holder_of_the_lock_and_not_the_number_in_the_file(queue: Path, elsewhere: Elsewhere) -> None:
    pid = elsewhere(lambda: pid_file.take(queue))
    assert (queue / "pid" / "master.pid").read_text() == f"{pid:>10}\n"
    (queue / "pid" / "master.pid").write_text("1\n")
    assert pid_file.holder(queue) == pid
    with pytest.raises(pid_file.AlreadyRunning):
        pid_file.take(queue)


def test_a_reader_is_not_the_supervisor(queue: Path, elsewhere: Elsewhere) -> None:
    (queue / "pid" / "master.pid").touch()

    def lock() -> object:
        file = open(queue / "pid" / "master.pid")
        fcntl.lockf(file, fcntl.LOCK_SH)
        return file

    elsewhere(lock)
    assert pid_file.holder(queue) is None


def test_postfix_and_we_do_not_run_on_one_queue(queue: Path) -> None:
    with open(queue / "pid" / "master.pid", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(pid_file.AlreadyRunning):
            pid_file.take(queue)


@pytest.mark.parametrize("kind", ["link", "fifo", "hard link"])
def test_what_is_no_file_of_ours(queue: Path, kind: str) -> None:
    path = queue / "pid" / "master.pid"
    (queue / "other").touch()
    {"link": path.symlink_to, "fifo": lambda _: os.mkfifo(path), "hard link": path.hardlink_to}[kind](queue / "other")
    with pytest.raises(OSError):
        pid_file.take(queue)


def test_a_folder_that_others_may_change(queue: Path) -> None:
    (queue / "pid").chmod(0o777)
    with pytest.raises(UnsafeDirectory, match="chmod go-w"):
        pid_file.take(queue)
