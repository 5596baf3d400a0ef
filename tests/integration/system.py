"""A running Gatepost that serves example.test: every address of it has the Maildir `box`."""

import shutil
import smtplib
import subprocess
from pathlib import Path

from tests.support import running
from tests.support.running import MASTER, OWNER, wait_for

_MAILBOXES = """\
virtual_mailbox_domains = example.test
virtual_mailbox_base = {dir}/Maildir
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1000
"""


class System(running.System):
    """`main`: lines of main.cf that come after the usual ones."""

    def __init__(self, main: str = "", master: str = MASTER) -> None:
        super().__init__(parameters(_MAILBOXES + main), master)
        (self.folder / "Maildir").mkdir()
        shutil.chown(self.folder / "Maildir", OWNER)

    def change(self, main: str, master: str | None = None) -> None:
        """Write the configuration with these lines of main.cf changed."""
        self.configure(parameters(main), master)

    def send(self, text: str = "Subject: test\r\n\r\nbody\r\n", sender: str = "a@example.com", to: str = "b@example.test") -> bool:
        """Send one message. Raises smtplib.SMTPException where it is not taken."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail(sender, [to], text)
        return True

    def delivered(self, box: str = "box") -> list[bytes]:
        """The messages in a Maildir below `virtual_mailbox_base`."""
        return [file.read_bytes() for file in sorted((self.folder / "Maildir" / box / "new").glob("*"))]

    def arrival(self, text: bytes, box: str = "box") -> bytes:
        """Wait for the delivered message that holds `text`."""

        def found() -> bytes:
            return next((message for message in self.delivered(box) if text in message), b"")

        return wait_for(found, lambda: f"{text!r} delivered\n{self.log()[-8000:]}")

    def background(self) -> "subprocess.CompletedProcess[str]":
        """`gatepost start` as an administrator types it: returns when the system serves."""
        return self.command("start")

    def daemon(self) -> int:
        """The pid of the supervisor, from its pid file."""
        return int((self.spool / "pid" / "master.pid").read_text())


def parameters(text: str) -> dict[str, str]:
    """Lines `name = value` as a mapping."""
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in text.splitlines() if line.strip())}


def user_of(pid: int) -> tuple[int, bool]:
    """Effective user of a process, and whether it can gain no privileges any more (proc(5))."""
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return int(status["Uid"].split()[1]), status["NoNewPrivs"].strip() == "1"


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended but was not waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
