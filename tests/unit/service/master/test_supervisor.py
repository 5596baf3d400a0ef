"""What a reload that fails leaves behind: nothing. A whole supervisor, but for children who cannot be had."""

import errno
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatepost.service.master.children import Child, Children, Role
from gatepost.service.master.supervisor import Supervisor


class NoProcesses(Children):
    """As where the system has no room for another process."""

    def fork(self, role: Role, generation: int, body: Callable[[int], None]) -> Child:
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

    def state(self) -> tuple[object, ...]:
        """All by which the supervisor serves."""
        one = self.supervisor
        return one._configuration, one._settings, one._listeners, one._generation

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
    assert mail_system.state() == before
    assert "cannot start a worker: Resource temporarily unavailable" in (folder / "after.log").read_text()
    assert "reload refused, the old configuration keeps running" in (folder / "before.log").read_text()


def test_a_reload_of_a_faulty_configuration_changes_nothing(mail_system: MailSystem) -> None:
    folder, before = mail_system.folder, mail_system.state()
    mail_system.configure(folder / "after.log", *mail_system.sockets, more="worker_processes = many\n")
    mail_system.supervisor.reload()
    assert mail_system.served() == [True, False]
    assert mail_system.state() == before
    assert not (folder / "after.log").exists()
    assert "reload refused, the old configuration keeps running" in (folder / "before.log").read_text()
