"""The sockets of roles: those that no parameter asks for are not there."""

import getpass
import socket
from pathlib import Path

import pytest

from gatepost.config.loading import load
from gatepost.service.master.listeners import Listeners
from gatepost.service.roles import ACME, ROLES

(SOCKET,) = ACME.sockets
ON = "acme_directory_url = https://ca.test/directory\n"


def bound(path: Path, main: str, before: Listeners | None = None) -> Listeners:
    own = f"compatibility_level = 3.6\nmyhostname = mx.example.test\nqueue_directory = {path}\nmail_owner = {getpass.getuser()}\n"
    (path / "main.cf").write_text(own + main)
    (path / "master.cf").write_text("")
    for folder in {one.parent for role in ROLES for one in role.sockets}:
        (path / folder).mkdir(exist_ok=True)
    configuration = load(path)
    if before is not None:
        return before.rebound(configuration)
    listeners = Listeners()
    listeners.bind(configuration)
    return listeners


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path / SOCKET))
        except OSError:
            return False
        return True


def test_what_is_off_does_not_listen(tmp_path: Path) -> None:
    listeners = bound(tmp_path, "")
    assert not (tmp_path / SOCKET).exists()
    listeners.close()


def test_a_reload_turns_it_on_and_off(tmp_path: Path) -> None:
    first = bound(tmp_path, "")
    second = bound(tmp_path, ON, first)
    assert listens(tmp_path)
    third = bound(tmp_path, "", second)
    assert listens(tmp_path), "until the new processes serve"
    third.close_left_over()
    assert not listens(tmp_path)
    third.close()


@pytest.mark.parametrize("main", ["", ON])
def test_a_reload_that_is_refused_leaves_what_was(tmp_path: Path, main: str) -> None:
    first = bound(tmp_path, main)
    other = "" if main else ON
    bound(tmp_path, other, first).close_new()
    assert listens(tmp_path) is bool(main)
    first.close()
