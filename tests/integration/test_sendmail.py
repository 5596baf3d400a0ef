"""sendmail(1) with real processes: ordinary users, a mail system that is down, SMTP on standard input, hostile files."""

import os
import subprocess

import pytest

from tests.integration.system import System
from tests.support import ordinary_users
from tests.support.running import wait_for

_MESSAGE = "Subject: {}\n\nbody\n"
_SMTP = (
    "EHLO client.test\nMAIL FROM:<a@example.test>\nRCPT TO:<box@example.test>\nDATA\n"
    "Subject: by hand\n\n..dots\n.\nQUIT\n"
)  # fmt: skip


def test_a_message_submitted_while_the_mail_system_is_down_is_delivered_after_its_start() -> None:
    system = System()
    with system:
        pass_first = system.command("sendmail", "box@example.test", input=_MESSAGE.format("while up"))
        assert (pass_first.returncode, pass_first.stderr) == (0, "")
        system.arrival(b"Subject: while up")
        system.stop()
        later = system.command(
            "sendmail", "-f", "boss@example.test", "-t", input=f"To: box@example.test\n{_MESSAGE.format('down')}"
        )
        assert (later.returncode, later.stderr) == (0, "")
        assert len(list((system.spool / "maildrop").iterdir())) == 1
        system.start()
        arrived = system.arrival(b"Subject: down")
        assert arrived.startswith(b"Return-Path: <boss@example.test>\n")
        assert f", from userid {os.getuid()})".encode() in arrived
        wait_for(lambda: not list((system.spool / "maildrop").iterdir()), "an empty maildrop")
        assert system.audit().returncode == 0


def test_smtp_on_standard_input() -> None:
    with System() as system:
        done = system.command("sendmail", "-bs", input=_SMTP)
        codes = [line[:3] for line in done.stdout.splitlines() if line[3] == " "]
        assert codes == ["220", "250", "250", "250", "354", "250", "221"]
        assert b"\n\n.dots\n" in system.arrival(b"Subject: by hand")


def test_queue_commands() -> None:
    with System("virtual_mailbox_maps = static:box/\ndefer_transports = virtual\n") as system:
        system.command("sendmail", "box@example.test", input=_MESSAGE.format("waits"))
        [line] = wait_for(lambda: [one for one in system.queue() if "deferred transport" in one], "a deferred message")
        identity = line.split('"queue_id": "')[1].split('"')[0]
        assert "(deferred transport)" in system.command("mailq").stdout
        held = system.command("postsuper", "-h", identity)
        assert held.stderr == f"postsuper: {identity}: placed on hold\npostsuper: Placed on hold: 1 message\n"
        shown = system.command("postcat", "-q", identity).stdout
        assert f"*** MESSAGE CONTENTS hold/{identity} ***\nReceived: by mail.example.test" in shown
        assert "\nrecipient: box@example.test\n" in shown
        assert system.command("postsuper", "--sender", "nobody@nowhere.test", "-d", "ALL").stderr.endswith("0 messages\n")
        assert system.command("postsuper", "--recipient", "box@example.test", "-d", "ALL").stderr.endswith("1 message\n")
        assert system.command("postqueue", "-p").stdout == "Mail queue is empty\n"
        told = system.audit()
        assert (told.returncode, "1 deleted" in told.stdout) == (0, True), told.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as others")
def test_files_that_nobody_can_take_hold_up_nothing() -> None:
    with System() as system:
        maildrop = system.spool / "maildrop"
        (maildrop / "folder.msg").mkdir()
        (maildrop / "link.msg").symlink_to("/etc/passwd")
        os.mkfifo(maildrop / "pipe.msg")
        (maildrop / "closed.msg").touch(0o600)
        garbage = system.folder / "garbage"
        garbage.write_text("garbage\n")
        garbage.chmod(0o644)
        garbage.rename(maildrop / "garbage.msg")  # at once, as pickup takes what it sees
        system.command("sendmail", "box@example.test", input=_MESSAGE.format("not held up"))
        system.arrival(b"Subject: not held up")


@pytest.mark.skipif(os.getuid() != 0 or not ordinary_users.PYTHON.exists(), reason="needs root, and a Python that any user may run")
def test_an_ordinary_user_submits_lists_and_flushes() -> None:
    with System() as system:

        def as_user(*words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
            return ordinary_users.as_user(system, "games", *words, text=text)

        done = as_user("sendmail", "box@example.test", text=_MESSAGE.format("from a user"))
        assert (done.returncode, done.stderr) == (0, "")
        arrived = system.arrival(b"Subject: from a user")
        assert b"Return-Path: <games@mail.example.test>" in arrived
        assert as_user("mailq").stdout == "Mail queue is empty\n"
        assert as_user("postqueue", "-f").returncode == 0
        assert as_user("postsuper", "-d", "ALL").stderr == "postsuper: fatal: use of this command is reserved for the superuser\n"
        system.configure({"authorized_mailq_users": "root"})
        system.reload()
        wait_for(lambda: as_user("mailq").returncode == 69, "a refused listing")
        assert " is not allowed to view the mail queue\n" in as_user("mailq").stderr
        system.stop()
        assert "mail system is down" in as_user("mailq").stderr
