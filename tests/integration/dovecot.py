"""A private Dovecot that takes mail by LMTP, over a unix socket and over TCP, for the users of a passwd-file."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.integration.ports import listens
from tests.support.free_ports import free_port
from tests.support.running import wait_for

_CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{dir}/mail/%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
mail_plugins = quota
quota_full_tempfail = {tempfail}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1M
}}
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
service lmtp {{
  chroot =
  unix_listener lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
"""


class Dovecot:
    """Users anna, berta and carl of example.org, with a megabyte each. `socket` and `port`: its LMTP."""

    def __init__(self, *, tempfail: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.socket = self.folder / "run/lmtp"
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "mail", "nobody", "nogroup")
        users = "".join(
            f"{user}@example.org:{{PLAIN}}secret:65534:65534::{self.folder}/mail/{user}::\n" for user in ("anna", "berta", "carl")
        )
        (self.folder / "users").write_text(users)
        conf = self.folder / "dovecot.conf"
        conf.write_text(_CONF.format(dir=self.folder, port=self.port, tempfail="yes" if tempfail else "no"))
        with open(self.folder / "output", "ab") as output:
            self._process = subprocess.Popen(["dovecot", "-F", "-c", str(conf)], stdout=output, stderr=output)
        wait_for(lambda: listens(self.port) or self._process.poll() is not None, "a listening Dovecot")
        assert self._process.poll() is None, (self.folder / "output").read_text()

    def delivered(self, user: str) -> list[bytes]:
        """The messages of a user."""
        return [file.read_bytes() for file in (self.folder / "mail" / user / "new").glob("*")]

    def arrival(self, user: str, text: bytes) -> bytes:
        """Wait for a message of `user` that holds `text`."""
        return wait_for(lambda: next((m for m in self.delivered(user) if text in m), b""), f"{text!r} for {user}")

    def clean(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
