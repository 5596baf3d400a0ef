"""Class 14, the start: whoever has become mail_owner, and prepares what the mail system's folders hold, gains nothing of root's by
the next start, stop or command of root. As root only: nobody else has rights to lose."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running import MASTER, OWNER, System, open_files, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to lose")

_OWNER = pwd.getpwnam(OWNER)
_SOCKETS = MASTER + "inside unix - - n - - smtpd\noutside unix n - n - - smtpd\n"
_STARTS = 6
Make = Callable[..., System]


def _as_owner(work: Callable[[], object]) -> int:
    """Do it as mail_owner, in a process of its own; its pid."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(*[_OWNER.pw_gid] * 3)
            os.setresuid(*[_OWNER.pw_uid] * 3)
            work()
        os._exit(0)
    return pid


def _done_by_owner(work: Callable[[], object]) -> None:
    os.waitpid(_as_owner(work), 0)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes systems. Nothing that they have started in the background outlives the test, whatever became of it."""
    made: list[System] = []

    def one(main: dict[str, str] | None = None, master: str = _SOCKETS) -> System:
        made.append(System(main, master))
        return made[-1]

    yield one
    for system in made:
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"MAIL_CONFIG={system.conf}\0".encode() in environ.read_bytes():
                    os.kill(int(environ.parent.name), signal.SIGKILL)
        shutil.rmtree(system.folder, ignore_errors=True)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of root's, with files and a socket; nothing about it may change."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    for name in ("agent", "showq", "flush", "inside", "outside", "master.pid", "queue.sqlite"):
        (folder / name).write_text("root's own\n")
        (folder / name).chmod(0o600)
    before = _state(folder)
    yield folder
    assert _state(folder) == before


def _state(folder: Path) -> list[tuple[str, int, int, int, int]]:
    found = [(str(path), path.lstat()) for path in (folder, *sorted(folder.iterdir()))]
    return [(name, one.st_mode, one.st_uid, one.st_ino, one.st_size * stat.S_ISREG(one.st_mode)) for name, one in found]


def _stopped_once(system: System) -> None:
    """Its folders are made, as a start makes them."""
    system.start()
    system.stop()


@pytest.mark.parametrize("name", ["private", "public", "store", "maildrop", "corrupt"])
def test_a_folder_that_is_a_link_is_not_given_away(make: Make, name: str, victim: Path) -> None:
    system = make()
    _stopped_once(system)
    os.rename(system.spool / name, system.folder / "away")
    (system.spool / name).symlink_to(victim)
    told = system.command("start").stderr
    assert f"{system.spool / name}: belongs to root, wanted: {OWNER} (chown -h {OWNER} {system.spool / name})" in told
    assert f"{system.spool / name}: belongs to root" in system.command("check").stderr


@pytest.mark.parametrize("folder", ["private", "public"])
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo"])
def test_what_stands_in_a_sockets_place(make: Make, folder: str, kind: str, victim: Path) -> None:
    """Sockets of master.cf, showq's, and where the agent's used to be."""
    with make() as system:
        system.stop()
        for name in ("agent", "showq", "flush", "inside", "outside"):
            path = system.spool / folder / name
            path.unlink(missing_ok=True)
            if kind == "link":
                _done_by_owner(lambda path=path, name=name: path.symlink_to(victim / name))
            elif kind == "fifo":
                _done_by_owner(lambda path=path: os.mkfifo(path))
            else:
                os.link(victim / name, path)
        told = system.command("start")
        assert told.returncode == 1 and "is not a socket: move it away" in told.stderr


def test_links_swapped_while_it_starts(make: Make, victim: Path) -> None:
    """private/ and public/ and what is in them change all the time, between what root looks at and what root does."""
    system = make()
    _stopped_once(system)
    system.spool.chmod(0o755)
    os.chown(system.spool, _OWNER.pw_uid, _OWNER.pw_gid)  # so that whole folders can be swapped, too

    def swap() -> None:
        spool = system.spool
        while True:
            for name in ("private", "public", "gatepost", "pid"):
                with contextlib.suppress(OSError):
                    os.rename(spool / name, spool / f"{name}.away")
                    os.symlink(victim, spool / name)
                    os.unlink(spool / name)
                with contextlib.suppress(OSError):
                    os.rename(spool / f"{name}.away", spool / name)
            for name in ("private/inside", "public/outside", "public/showq"):
                with contextlib.suppress(OSError):
                    os.unlink(spool / name)
                with contextlib.suppress(OSError):
                    os.symlink(victim / name.rpartition("/")[2], spool / name)

    swapper = _as_owner(swap)
    try:
        for _ in range(_STARTS):
            system.command("start")
            system.command("stop")
    finally:
        os.kill(swapper, signal.SIGKILL)
        os.waitpid(swapper, 0)


@pytest.mark.parametrize("place", ["spool", ""])
def test_a_queue_of_somebody_else_is_refused(make: Make, place: str) -> None:
    system = make()
    _stopped_once(system)
    os.chown(system.folder / place, 1, 1)
    answer = system.command("start")
    assert answer.returncode == 1
    assert f"{system.folder / place}: belongs to daemon, wanted: root or {OWNER} (chown -h root" in answer.stderr
    assert "or choose another queue_directory)" in answer.stderr


def test_a_queue_that_others_may_change_is_refused(make: Make) -> None:
    system = make()
    _stopped_once(system)
    system.spool.chmod(0o775)
    answer = system.command("start")
    assert answer.returncode == 1
    assert f"{system.spool}: others than root may change it (chmod go-w {system.spool}" in answer.stderr


@pytest.mark.parametrize(
    ("main", "told"),
    [
        ({"mail_owner": "root"}, "parameter mail_owner: user root has privileged user ID"),
        ({"default_privs": OWNER}, f"parameters default_privs and mail_owner specify the same user {OWNER}"),
        ({"default_privs": "root"}, "parameter default_privs: user root has privileged user ID"),
    ],
)
def test_users_that_are_refused(make: Make, main: dict[str, str], told: str) -> None:
    answer = make(main).command("start")
    assert answer.returncode == 1
    assert told in answer.stderr


def test_stop_ends_nobody_else(make: Make, victim: Path) -> None:
    """The pid file is mail_owner's, with the number of a process of root's in it, and locked as the supervisor locks it."""
    system = make()
    _stopped_once(system)
    os.chown(system.spool, _OWNER.pw_uid, _OWNER.pw_gid)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def lie() -> None:
        os.rename(system.spool / "pid", system.spool / "pid.away")
        (system.spool / "pid").mkdir()
        with open(system.spool / "pid" / "master.pid", "w+") as file:
            file.write(f"{bystander.pid}\n")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(60)

    liar = _as_owner(lie)
    try:
        wait_for(lambda: (system.spool / "pid" / "master.pid").exists(), "a pid file")
        for command in ("stop", "abort", "reload"):
            assert system.command(command).returncode == 1
        assert system.command("status").returncode == 1
        assert system.command("start").returncode == 1
        assert bystander.poll() is None
    finally:
        os.kill(liar, signal.SIGKILL)
        os.waitpid(liar, 0)
        bystander.kill()
        bystander.wait()


def test_children_hold_nothing_that_is_not_theirs(make: Make) -> None:
    """Neither the pid file nor the sockets of others; a process has one listening socket of ours, or those of master.cf."""
    with make() as system:
        system.reload()
        system.logged("reload -- version")
        names = _unix_sockets()
        seen = {pid: open_files(pid) for pid in system.pids()[:-1]}
        assert sum(map(bool, seen.values())) > 1
        for pid, files in seen.items():
            assert not any("master.pid" in name for name in files)
            sockets = {names[name].rpartition("/")[2] for name in files if name in names}
            assert any(sockets <= {*own, "bell"} for own in (["agent"], ["showq", "flush"], ["inside", "outside"])), (pid, sockets)


def _unix_sockets() -> dict[str, str]:
    """Path by what a descriptor of a bound socket is called."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {f"socket:[{row[6]}]": row[7] for row in rows if len(row) > 7}


@pytest.mark.parametrize("command", ["postqueue -p", "postqueue -f", "postsuper -h ALL", "audit", "postcat -q 3f"])
def test_roots_commands_touch_the_store_as_mail_owner(make: Make, command: str, victim: Path) -> None:
    """A partition that links to a folder of root's is not written to, nor is anything made that is root's."""
    with make({"relayhost": "[127.0.0.1]:1"}) as system:
        assert system.send()
        system.stop()
        _done_by_owner(lambda: (system.spool / "store" / "9").symlink_to(victim))
        system.command(*command.split())
        for path in (system.spool / "store").rglob("*"):
            assert path.lstat().st_uid == _OWNER.pw_uid, path


def test_sendmail_of_root_leaves_nothing_elsewhere(make: Make, victim: Path) -> None:
    with make() as system:
        system.stop()
        os.chown(system.spool, _OWNER.pw_uid, _OWNER.pw_gid)
        os.rename(system.spool / "maildrop", system.spool / "away")
        _done_by_owner(lambda: (system.spool / "maildrop").symlink_to(victim))
        assert system.command("sendmail", "x@example.test", input="Subject: x\n\n").returncode != 0


def test_a_log_in_a_folder_of_mail_owner_is_opened_as_mail_owner(make: Make, victim: Path) -> None:
    system = make({"maillog_file": "{dir}/log/mail.log"})
    (system.folder / "log").mkdir()
    os.chown(system.folder / "log", _OWNER.pw_uid, _OWNER.pw_gid)
    _done_by_owner(lambda: (system.folder / "log" / "mail.log").symlink_to(victim / "agent"))
    answer = system.command("start")
    assert answer.returncode == 1
    assert "Permission denied" in answer.stderr


def test_a_log_in_a_folder_of_mail_owner_is_rotated_as_mail_owner(make: Make) -> None:
    """Renamed and compressed: root would follow the links that stand there by then."""
    system = make({"maillog_file": "{dir}/log/mail.log", "maillog_file_compressor": "{dir}/compress"})
    (system.folder / "log").mkdir()
    os.chown(system.folder / "log", _OWNER.pw_uid, _OWNER.pw_gid)
    (system.folder / "compress").write_text('#!/bin/sh\nid -u > "$1.by"; id -G >> "$1.by"\n')
    (system.folder / "compress").chmod(0o755)
    with system:
        assert system.command("postfix", "logrotate").returncode == 0
        [told] = (system.folder / "log").glob("*.by")
        assert told.read_text().split() == [str(_OWNER.pw_uid), str(_OWNER.pw_gid)]


def test_folders_on_the_way_through_a_folder_of_mail_owner_are_made_as_mail_owner(make: Make, victim: Path) -> None:
    """A link there leads root to make folders elsewhere."""
    system = make()
    theirs = system.folder / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, OWNER)
    _done_by_owner(lambda: (theirs / "link").symlink_to(victim))
    system.configure({"data_directory": f"{theirs}/link/deeper/data"})
    system.command("start")
    assert not (victim / "deeper").exists()
    system.configure({"data_directory": f"{theirs}/way/data"})
    _stopped_once(system)
    assert (theirs / "way").stat().st_uid == _OWNER.pw_uid
