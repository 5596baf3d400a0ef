"""A private Postfix: its own configuration, queue, ports and log; never the host's."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.integration.ports import listens
from tests.support.free_ports import free_port
from tests.support.postfix import SERVICES
from tests.support.running import wait_for

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
myhostname = next.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = example.net
virtual_mailbox_base = {dir}/Maildir
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""

_MASTER_CF = (
    """\
127.0.0.1:{port} inet n - n - - smtpd
"""
    + SERVICES
)

_PATIENCE = 60.0  # seconds that a command of Postfix may take


def _once_each(main: str) -> str:
    """main.cf with the last value of each parameter alone. Of an earlier one each process warns as it starts, postlogd(8) as well,
    which sends that to its own socket: where ten lines of others wait there already, it waits for itself, and all Postfix with it,
    until master's watchdog ends it after 1,000 s (seen twice)."""
    values: dict[str, str] = {}
    for line in re.findall(r"^\S.*\n(?:[ \t].*\n)*", main if main.endswith("\n") else main + "\n", re.MULTILINE):
        values[line.partition("=")[0].strip()] = line
    return "".join(values.values())


class Postfix:
    """One Postfix that serves example.net into a Maildir. `main`, `master`: more lines of main.cf and master.cf; `prefix`: a
    command to run it under. `port`: where it listens."""

    def __init__(self, main: str = "", master: str = "", prefix: tuple[str, ...] = ()) -> None:
        self._prefix = prefix
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._conf = self.folder / "conf"
        self._conf.mkdir()
        (self._conf / "main.cf").write_text(_once_each(_MAIN_CF.format(dir=self.folder) + main))
        (self._conf / "master.cf").write_text(_MASTER_CF.format(port=self.port) + master)
        for name, owner in (("spool", "root"), ("data", "postfix"), ("Maildir", "nobody")):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, owner)
        self._run("start")
        wait_for(lambda: listens(self.port), "a listening Postfix")

    def _run(self, word: str) -> None:
        command = [*self._prefix, "postfix", "-c", str(self._conf), word]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=_PATIENCE)
        assert done.returncode == 0 or word == "stop", done.stderr

    @property
    def log(self) -> str:
        return (self.folder / "mail.log").read_text(errors="replace")

    def logged(self, *texts: str) -> str:
        """Wait for a log line that holds every one of `texts`, and return it."""
        found = lambda: next((line for line in self.log.splitlines() if all(text in line for text in texts)), "")  # noqa: E731
        return wait_for(found, lambda: f"{texts} logged by Postfix\n{self.log}")

    def arrival(self, text: bytes) -> bytes:
        """Wait for the delivered message that holds `text`."""

        def found() -> bytes:
            files = (self.folder / "Maildir/box/new").glob("*")
            return next((message for file in files if text in (message := file.read_bytes())), b"")

        return wait_for(found, lambda: f"{text!r} delivered by Postfix\n{self.log}")

    def submit(self, message: str, to: str, *options: str) -> None:
        """Hand a message to its sendmail command."""
        command = ["/usr/sbin/sendmail", "-C", str(self._conf), *options, "-f", "sender@example.net", to]
        subprocess.run(command, input=message, text=True, check=True, env={**os.environ, "MAIL_CONFIG": str(self._conf)})

    def clean(self) -> None:
        try:
            self._run("stop")
        except subprocess.TimeoutExpired:
            self._kill()
        time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self) -> None:
        """End every process that works in this Postfix's queue directory."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if Path(os.readlink(process / "cwd")).is_relative_to(self.folder):
                    os.kill(int(process.name), signal.SIGKILL)
