"""Whoever reads the log stalls: mail is taken and delivered all the same, and the log says afterwards what it has lost."""

import fcntl
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

_SENT = 150
"""Messages: about 1,000 lines, far more than what a small pipe or a datagram socket holds."""
_OWN_DEV = """
set -e
cd "$0"
for name in null zero full random urandom; do touch $name; mount --bind /dev/$name $name; done
mkdir -p shm
ln -sfn /proc/self/fd fd
mount --rbind . /dev
exec "$@"
"""
_REMOVED = re.compile(r"qmgr\[\d+\]: (\w+): removed")
_LOST = re.compile(r"warning: (\d+) log lines lost")


def _is_told(heard: str) -> bool:
    """Whether every message that was sent is removed in the log, or lines are said to be lost."""
    return len(set(_REMOVED.findall(heard))) >= _SENT or bool(_LOST.search(heard))


def _carries_mail_unread(system: System, sink: Sink, subject: str) -> None:
    """Send messages while nobody reads the log."""
    assert all(system.send(f"Subject: {subject}\r\n\r\nbody\r\n") for _ in range(_SENT))
    wait_for(lambda: sink.count(f"Subject: {subject}".encode()) >= _SENT, "all messages at the next hop")


@pytest.mark.parametrize("form", ["postfix", "json"])
@pytest.mark.parametrize("redirection", ['>"$0"', '>"$0" 2>&1'])
def test_standard_output_is_a_pipe_that_nobody_reads(redirection: str, form: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    main = {"maillog_file": "/dev/stdout", "maillog_file_prefixes": "/dev/stdout", "maillog_format": form}
    prefix = ("sh", "-c", f'exec "$@" {redirection}', f"{tmp_path}/pipe")
    with Sink() as sink, System(main, relay=sink.port, prefix=prefix) as system:
        _carries_mail_unread(system, sink, "unread")
        heard = _reading(lambda: os.read(reader, 1 << 20))
        if form == "postfix":
            wait_for(lambda: _is_told(heard()), "the rest of the log")
        else:
            wait_for(lambda: heard().count('"type":"Removed"') >= _SENT or "LinesLost" in heard(), "the rest of the log")
        assert all(line[:1].isalpha() or line[:1] == "{" for line in heard().splitlines())  # none begins in its middle
        _carries_mail_unread(system, sink, "again")
    os.close(reader)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a /dev of its own")
def test_a_syslog_daemon_that_does_not_read(tmp_path: Path) -> None:
    device = tmp_path / "dev"
    device.mkdir()
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(str(device / "log"))
    daemon.setblocking(False)
    (device / "log").chmod(0o666)
    prefix = ("unshare", "-m", "sh", "-c", _OWN_DEV, str(device))
    with Sink() as sink, System({"maillog_file": ""}, relay=sink.port, prefix=prefix) as system:
        _carries_mail_unread(system, sink, "unread")
        heard = _reading(lambda: daemon.recv(1 << 16) + b"\n")
        wait_for(lambda: _is_told(heard()), "the rest of the log")
        assert all(line.startswith("<") for line in heard().splitlines())
        _carries_mail_unread(system, sink, "again")
    daemon.close()


def _reading(read: Callable[[], bytes]) -> Callable[[], str]:
    """Reads what there is, and gives all that was read so far."""
    heard: list[bytes] = []

    def more() -> str:
        try:
            while piece := read():
                heard.append(piece)
        except BlockingIOError:
            pass
        return b"".join(heard).decode()

    return more
