"""Starting, stopping, reloading: what an administrator does, and what mail notices of it (nothing)."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.system import System, alive, user_of
from tests.support.free_ports import free_port
from tests.support.running import MASTER, Client, environment, wait_for

Make = Callable[..., System]

_EXTRA = "127.0.0.1:{second} inet n - n - - smtpd\n"


def test_reload_brings_listeners_and_parameters(system: Make) -> None:
    gatepost = system().start()
    with gatepost.client() as before:
        assert before.greeting == (220, "mail.example.test ESMTP Postfix")
    gatepost.change("smtpd_banner = changed\n", MASTER + _EXTRA)
    assert gatepost.command("reload").returncode == 0
    gatepost.logged("postfix/master", "reload")
    wait_for(lambda: _banner(gatepost.second) == "changed", "the new listener")
    wait_for(lambda: _banner(gatepost.port) == "changed", "the new banner at the old listener")
    gatepost.change("smtpd_banner = again\n", MASTER)
    assert gatepost.command("reload").returncode == 0
    wait_for(lambda: _banner(gatepost.port) == "again" and _banner(gatepost.second) == "", "the second listener gone")


def _banner(port: int) -> str:
    try:
        with Client(port) as client:
            return client.greeting[1]
    except OSError:
        return ""


def test_open_transaction_outlives_a_reload(system: Make) -> None:
    gatepost = system().start()
    with gatepost.client() as client:
        client.envelope("a@example.com", "b@example.test")
        assert client.say("DATA")[0] == 354
        client.write(b"Subject: across the reload\r\n\r\nfirst half\r\n")
        gatepost.change("smtpd_banner = new\n")
        assert gatepost.command("reload").returncode == 0
        wait_for(lambda: _banner(gatepost.port) == "new", "the new banner")
        client.write(b"second half\r\n.\r\n")
        assert client.reply()[0] == 250
    assert b"first half\nsecond half\n" in gatepost.arrival(b"across the reload")


def test_no_connection_is_refused_while_reloading(system: Make) -> None:
    gatepost = system().start()
    refused: list[str] = []
    over = threading.Event()

    def knock() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                gatepost.send(f"Subject: knock {number}\r\n\r\nx\r\n")
            except Exception as error:
                refused.append(repr(error))

    knocking = threading.Thread(target=knock)
    knocking.start()
    for _ in range(3):
        time.sleep(0.3)
        assert gatepost.command("reload").returncode == 0
    time.sleep(1)
    over.set()
    knocking.join()
    assert refused == []


def test_bad_configuration_is_refused_and_the_old_one_serves_on(system: Make) -> None:
    gatepost = system().start()
    gatepost.change("smtpd_recipient_limit = many\n")
    refused = gatepost.command("reload")
    assert refused.returncode != 0
    assert re.search(r"main\.cf, line \d+: .*smtpd_recipient_limit", refused.stderr), refused.stderr
    assert "reload refused" in refused.stderr
    gatepost.send()
    gatepost.arrival(b"Subject: test")
    with gatepost.client() as client:
        assert client.greeting[0] == 220


@pytest.mark.parametrize(
    ("main", "master", "file", "told", "starts"),
    [
        ("message_size_limit = big\n", MASTER, "main.cf", "message_size_limit", False),
        ("default_transport = carrier-pigeon\n", MASTER, "main.cf", "carrier-pigeon", False),
        ("myhostnam = typo\n", MASTER, "main.cf", "myhostnam", True),
        ("", "smtp inet n - n -\n", "master.cf", "", False),
        ("", MASTER + "  -o no_such_parameter=1\n", "master.cf", "no_such_parameter", True),
    ],
)
def test_check_names_file_line_and_remedy(system: Make, main: str, master: str, file: str, told: str, starts: bool) -> None:
    """What would not start fails; what only does nothing is a warning, as with `postfix check`."""
    gatepost = system(main, master)
    checked = gatepost.command("check")
    assert (checked.returncode == 0) is starts
    line = next(line for line in checked.stderr.splitlines() if told in line)
    assert re.search(rf"{re.escape(file)}, line \d+: .*\(", line), checked.stderr
    assert "Traceback" not in checked.stderr


def test_commands_of_a_daemon(system: Make) -> None:
    """`start` in the background returns when mail is taken; status, flush and stop do what they say."""
    gatepost = system()
    assert gatepost.command("status").returncode == 1
    assert gatepost.command("stop").returncode == 1
    assert gatepost.background().returncode == 0
    gatepost.send()  # at once: it serves
    pid = gatepost.daemon()
    try:
        assert f"PID: {pid}" in gatepost.command("status").stderr
        again = gatepost.background()
        assert again.returncode == 1
        assert "already running" in again.stderr
        assert gatepost.command("flush").returncode == 0
        gatepost.arrival(b"Subject: test")
    finally:
        assert gatepost.command("stop").returncode == 0
    assert not alive(pid)
    assert gatepost.command("status").returncode == 1
    assert not gatepost.greets()


def test_abort_loses_nothing(system: Make) -> None:
    """What was acknowledged before `abort` is delivered after the next start."""
    gatepost = system(f"relayhost = [127.0.0.1]:{free_port()}\n")
    assert gatepost.background().returncode == 0
    gatepost.send(to="b@example.net")
    gatepost.logged("status=deferred")
    assert gatepost.command("abort").returncode == 0
    wait_for(lambda: not gatepost.greets(), "nobody listening")
    gatepost.change("relayhost =\ntransport_maps = static:virtual:\n")
    assert gatepost.background().returncode == 0
    try:
        gatepost.logged("to=<b@example.net>", "relay=virtual")
    finally:
        gatepost.command("stop")


def test_flush_tries_deferred_mail_now(system: Make) -> None:
    gatepost = system(f"relayhost = [127.0.0.1]:{free_port()}\nminimal_backoff_time = 1h\nmaximal_backoff_time = 1h\n").start()
    gatepost.send(to="b@example.net")
    gatepost.logged("status=deferred")
    assert gatepost.command("flush").returncode == 0
    wait_for(lambda: gatepost.log().count("status=deferred") > 1, "a second attempt")


def test_start_to_first_accepted_message(system: Make) -> None:
    gatepost = system()
    begun = time.perf_counter()
    gatepost.start()
    gatepost.send()
    print(f"start to first accepted message: {time.perf_counter() - begun:.2f} s")
    gatepost.arrival(b"Subject: test")


def test_root_gives_up_its_privileges(system: Make) -> None:
    gatepost = system().start()
    for pid in gatepost.workers():
        assert user_of(pid) == (65534, True)


def test_workers_import_nothing_after_the_start(system: Make, tmp_path: Path) -> None:
    """The installation may be out of `mail_owner`'s reach: everything is there before the privileges go."""
    (tmp_path / "sitecustomize.py").write_text(_IMPORT_WATCH)
    watched = tmp_path / "late"
    watched.touch()
    watched.chmod(0o666)
    for parent in list(watched.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    os.environ["LATE_IMPORTS"] = str(watched)
    os.environ["PYTHONPATH"] = f"{tmp_path}:{environment()['PYTHONPATH']}"
    try:
        gatepost = system(f"relayhost = [127.0.0.1]:{free_port()}\n").start()
        gatepost.send(sender="sender@example.test")
        gatepost.send(to="unknown@example.net")
        gatepost.logged("status=deferred")
        gatepost.arrival(b"Subject: test")
    finally:
        del os.environ["LATE_IMPORTS"], os.environ["PYTHONPATH"]
    assert watched.read_text() == ""


_IMPORT_WATCH = """\
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if os.getuid() == 65534:
            with open(os.environ["LATE_IMPORTS"], "a") as file:
                file.write(name + "\\\\n")
        return None

if "LATE_IMPORTS" in os.environ:
    sys.meta_path.insert(0, Watch())
""".replace("\\\\n", "\\n")


_AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.mark.parametrize(
    ("mode", "owner", "begins"),
    [(0o755, 65534, _AS_NOBODY), (0o755, 0, ()), (0o700, 0, ())],
    ids=["as nobody", "as root", "as root, where only root can enter"],
)
def test_demo(tmp_path: Path, mode: int, owner: int, begins: tuple[str, ...]) -> None:
    """`gatepost demo`, with nothing configured, whoever starts it where: a message goes all the way."""
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(mode)
    folder = tmp_path / "demo"
    folder.mkdir()
    os.chown(folder, owner, owner)
    command = [*begins, sys.executable, "-m", "gatepost.cli", "demo", "--dir", folder]
    demo = subprocess.Popen(command, env=environment(), cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        assert "serving example.test" in demo.stdout.readline()
        with Client(2525) as client:
            client.envelope("you@example.com", "hello@example.test")
            assert client.say("DATA")[0] == 354
            client.write(b"Subject: to the demo\r\n\r\nx\r\n.\r\n")
            assert client.reply()[0] == 250, (folder / "mail.log").read_text()
        new = folder / "Maildir/demo/new"
        arrived = wait_for(lambda: list(new.glob("*")), "delivery")
        assert b"Subject: to the demo" in arrived[0].read_bytes()
    finally:
        demo.terminate()
        assert demo.wait(20) == 0
