"""What a reload that fails leaves behind: nothing. A whole supervisor, but for children who cannot be had."""

import errno
import gc
import os
import pwd
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.service.master.children import Child, Children, Instance
from gatepost.service.master.supervisor import Supervisor


class NoProcesses(Children):
    """As where the system has no room for another process."""

    def fork(self, instance: Instance, generation: int, body: Callable[[int], None]) -> Child:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class MailSystem:
    """A configuration in `folder`, and the supervisor that holds its ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sockets = [folder / "first", folder / "second"]
        self.configure(folder / "before.log", self.sockets[0])
        self.supervisor = Supervisor(folder, demo=True, children=NoProcesses(), import_all=lambda **_: None)
        self.supervisor.open()

    def configure(self, log: Path, *serve: Path, more: str = "") -> None:
        (self.folder / "main.cf").write_text(
            f"compatibility_level = 3.6\nmyhostname = mail.test\nworker_processes = 1\nmaillog_file = {log}\n"
            f"maillog_file_prefixes = {self.folder}\nqueue_directory = {self.folder}/queue\ndata_directory = {self.folder}/data\n"
            f"mail_owner = {pwd.getpwuid(os.geteuid()).pw_name}\ngatepost_accept_missing =\n{more}"
        )
        (self.folder / "master.cf").write_text("".join(f"{one} unix n - n - - smtpd\n" for one in serve))

    def state(self) -> object:
        """All by which the supervisor serves."""
        return self.supervisor._serving

    def served(self) -> list[bool]:
        """Of each socket, whether anybody listens."""
        return [_listens(one) for one in self.sockets]


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def mail_system(tmp_path: Path) -> Iterator[MailSystem]:
    one = MailSystem(tmp_path)
    yield one
    one.supervisor.close()


@pytest.mark.filterwarnings("error")  # a socket that nobody closed
def test_a_reload_for_which_there_are_no_processes_changes_nothing(mail_system: MailSystem) -> None:
    folder, before = mail_system.folder, mail_system.state()
    assert mail_system.served() == [True, False]
    mail_system.configure(folder / "after.log", *mail_system.sockets)
    mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert "cannot start a process: Resource temporarily unavailable" in (folder / "after.log").read_text()
    assert "reload refused, the old configuration keeps running" in (folder / "before.log").read_text()


def test_a_reload_of_a_faulty_configuration_changes_nothing(mail_system: MailSystem) -> None:
    folder, before = mail_system.folder, mail_system.state()
    mail_system.configure(folder / "after.log", *mail_system.sockets, more="worker_processes = many\n")
    mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert not (folder / "after.log").exists()
    assert "reload refused, the old configuration keeps running" in (folder / "before.log").read_text()


def refused(mail_system: MailSystem) -> str:
    """What the log that was open before says of a reload that was refused."""
    lines = (mail_system.folder / "before.log").read_text().splitlines()
    return next(line for line in lines if "reload refused, the old configuration keeps running" in line)


@pytest.mark.filterwarnings("error")
def test_a_log_that_cannot_be_opened_changes_nothing(mail_system: MailSystem) -> None:
    """What was bound for the new configuration is given up again: nobody would accept what connects there."""
    folder, before = mail_system.folder, mail_system.state()
    mail_system.configure(folder / "missing" / "after.log", *mail_system.sockets)
    mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert not mail_system.sockets[1].exists()
    assert "No such file or directory" in refused(mail_system)


@pytest.mark.filterwarnings("error")
def test_a_port_that_cannot_be_bound_changes_nothing(mail_system: MailSystem) -> None:
    """Neither does the one that was bound before it stay."""
    folder, before = mail_system.folder, mail_system.state()
    (taken := folder / "taken").mkdir()
    mail_system.configure(folder / "after.log", *mail_system.sockets, taken)
    mail_system.supervisor.reload()
    gc.collect()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert not mail_system.sockets[1].exists()
    assert f"{taken}" in refused(mail_system)


def test_a_fault_of_ours_in_the_middle_changes_nothing(mail_system: MailSystem) -> None:
    """It is raised, for the log to have its trace, when all is as it was."""

    def broken(**_: object) -> None:
        raise ImportError("half an upgrade")

    folder, before = mail_system.folder, mail_system.state()
    mail_system.supervisor._import_all = broken
    mail_system.configure(folder / "after.log", *mail_system.sockets)
    with pytest.raises(ImportError):
        mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert not mail_system.sockets[1].exists()
    mail_system.supervisor._say("as before")
    assert "as before" in (folder / "before.log").read_text()


def test_an_old_log_that_is_gone_as_well_is_told_in_the_new_one(mail_system: MailSystem) -> None:
    """The old configuration is whole all the same."""
    (gone := mail_system.folder / "gone").mkdir()
    mail_system.configure(gone / "before.log", mail_system.sockets[0])
    mail_system.supervisor._log.reopen(mail_system.supervisor._load())
    mail_system.supervisor._serving = replace(mail_system.supervisor._serving, configuration=mail_system.supervisor._load())
    before = mail_system.state()
    shutil.rmtree(gone)
    mail_system.configure(after := mail_system.folder / "after.log", *mail_system.sockets)
    mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() is before
    assert "the log stays where it is" in after.read_text()
    assert "reload refused, the old configuration keeps running" in after.read_text()
