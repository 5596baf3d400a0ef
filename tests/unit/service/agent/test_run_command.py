"""Commands, run as ourselves: their content, their end, and who is left of them when their time is up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.running import lives, wait_for

from gatepost.deliver.privileged import Done, RunCommand
from gatepost.service.agent import run_command
from gatepost.service.agent.run_command import LONGEST_OUTPUT, NotStarted, run

LATER = time.monotonic() + 3600
PYTHON = sys.executable


def command(*argv: str, limit: float = 30.0, directory: str = "/", file_limit: int = 0) -> RunCommand:
    path = {"PATH": "/usr/bin:/bin"}
    return RunCommand(argv, os.getuid(), os.getgid(), limit, path, directory, file_limit=file_limit)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def shell(text: str, **how: float) -> RunCommand:
    return command("/bin/sh", "-c", text, **how)  # type: ignore[arg-type]


def test_what_goes_in_and_comes_out() -> None:
    content = [b"x" * 65536] * 40
    assert run(shell("wc -c; echo told >&2; exit 75"), iter(content), LATER) == Done(data=b"2621440\ntold\n", exit_status=75)


def test_output_is_cut() -> None:
    done = run(shell("head -c 1000000 /dev/zero"), iter([b"x"]), LATER)
    assert (done.data, done.exit_status) == (bytes(LONGEST_OUTPUT), 0)


def test_a_command_that_does_not_read(tmp_path: Path) -> None:
    content = [b"x" * 65536] * 40
    assert run(shell("exec <&-; echo done"), iter(content), LATER) == Done(data=b"done\n")
    assert run(shell("sleep 60", limit=0.2), iter(content), LATER).timed_out


def test_somebody_who_keeps_standard_input_does_not_hold_us(tmp_path: Path) -> None:
    """The command has ended; a daemon of its own session has its input, and reads nothing."""
    forks = "import os, time\nos.setsid() if os.fork() == 0 else os._exit(3)\nos.close(1); os.close(2)\ntime.sleep(20)"
    tells = f"import os; print(os.getpid(), flush=True)\n{forks}"
    done = run(command(PYTHON, "-c", tells), iter([b"x" * 65536] * 40), LATER)
    assert (done.exit_status, done.timed_out) == (3, False)
    (daemon,) = (int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if tells in _read(path))
    os.kill(daemon, signal.SIGKILL)  # it was there still


@pytest.mark.parametrize("apart", ["", "os.setpgid(0, 0)"])
def test_all_of_a_session_ends_with_its_time(tmp_path: Path, apart: str) -> None:
    """A grandchild with a process group of its own that keeps both pipes."""
    forks = f"import os, time\nif os.fork(): time.sleep(60)\n{apart}\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    done = run(command(PYTHON, "-c", forks, limit=1.5), iter([b"x" * 65536] * 40), LATER)
    assert done.timed_out
    wait_for(lambda: not lives(int(done.data)), "the end of the grandchild")


def test_a_grandchild_that_keeps_the_output_ends_with_the_time() -> None:
    forks = "import os, time\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    done = run(command(PYTHON, "-c", forks, limit=1.5), iter([b"x"]), LATER)
    assert (done.exit_status, done.timed_out) == (0, False)
    wait_for(lambda: not lives(int(done.data)), "the end of the grandchild")


def test_content_cut_short_is_no_message(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"half"
        wait_for((tmp_path / "began").exists, "the command to read")
        raise EOFError

    with pytest.raises(EOFError):
        run(shell(f"head -c 4 > {tmp_path}/began; cat; touch {tmp_path}/end"), cut(), LATER)
    assert not (tmp_path / "end").exists()


def test_limits_and_surroundings(tmp_path: Path) -> None:
    told = run(shell("ulimit -c; ulimit -f; pwd; umask", directory=str(tmp_path), file_limit=1024), iter(()), LATER)
    assert told.data.decode().split() == ["0", "2", str(tmp_path), "0077"]


def test_a_file_may_grow_to_its_limit(tmp_path: Path) -> None:
    done = run(shell(f"cat > {tmp_path}/big", file_limit=1000), iter([b"x" * 2000]), LATER)
    assert done.exit_status
    assert (tmp_path / "big").stat().st_size <= 1000


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (command("/no/such"), "pipe_command: execvp /no/such: No such file or directory"),
        (command("/bin/true", directory="/no/such"), 'cannot change directory to "/no/such" for uid='),
    ],
)
def test_what_cannot_be_started(request_: RunCommand, text: str) -> None:
    with pytest.raises(NotStarted, match=text):
        run(request_, iter(()), LATER)


def test_a_number_that_is_anothers_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at a session and the kill, a process may end and its number be given to one of somebody else."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep, start_new_session=True) as leader, subprocess.Popen(sleep, start_new_session=True) as other:
        monkeypatch.setattr(run_command, "_members", lambda session: [other.pid])
        run_command.kill_session(leader.pid)
        assert leader.wait() == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
