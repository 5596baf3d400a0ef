"""A validating name server (unbound) over zones of the tests' own, and a command that gives another one this server alone (root).

All names are in a signed root zone, but for those below `plain`, which is not signed, and `bogus`, whose keys are not those that
the root zone vouches for. (`test` itself has a record, since unbound fails to prove what is not there below a name without one.)
"""

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.running import wait_for

_HEAD = """\
$ORIGIN .
$TTL 300
. SOA ns. admin. 1 3600 600 86400 300
. NS ns.
ns. A 127.0.0.1
test. A 127.0.0.1
"""
_BELOW = """\
{zone}. SOA ns.{zone}. admin.{zone}. 1 3600 600 86400 300
{zone}. NS ns.{zone}.
ns.{zone}. A 127.0.0.1
"""
_FORGED = "DS 12345 13 2 0123456789012345678901234567890123456789012345678901234567890123"
_CONF = """\
server:
  interface: {address}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  num-threads: 1
  val-log-level: 2
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/{key}.key"
  access-control: 127.0.0.0/8 allow
  local-zone: "test." nodefault
remote-control:
  control-enable: no
"""
_ZONE = """\
auth-zone:
  name: "{name}."
  zonefile: "{folder}/{file}"
  for-downstream: no
  for-upstream: yes
"""


class SignedDns:
    """Serves `zone` (lines of a zone file, names in full without the final dot) at port 53 of an address of its own; `forged`:
    names whose zone is not what the root vouches for; `silent`: those that it asks a server about which never answers. `prefix`:
    runs a command with it as the only name server."""

    def __init__(self, zone: str, forged: tuple[str, ...] = ("bogus",), silent: tuple[str, ...] = ()) -> None:
        self.address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.folder = Path(tempfile.mkdtemp(prefix="signed-"))
        self.folder.chmod(0o755)
        (self.folder / "resolv.conf").write_text(f"nameserver {self.address}\noptions timeout:2 attempts:1\n")
        mount = f'mount --bind {self.folder}/resolv.conf /etc/resolv.conf && exec "$@"'
        self.prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
        key = self._sign(zone, forged)
        conf = _CONF.format(address=self.address, folder=self.folder, key=key)
        conf += _ZONE.format(name="", folder=self.folder, file="root.signed")
        for name in ("plain", *forged):
            conf += _ZONE.format(name=name, folder=self.folder, file=name)
        self._nobody = socket.socket(type=socket.SOCK_DGRAM)
        self._nobody.bind(("127.0.0.1", 0))
        for name in silent:
            conf += f'stub-zone:\n  name: "{name}."\n  stub-addr: 127.0.0.1@{self._nobody.getsockname()[1]}\n'
        (self.folder / "unbound.conf").write_text(conf)
        self._log = (self.folder / "log").open("w")
        self._process = subprocess.Popen(["unbound", "-d", "-c", self.folder / "unbound.conf"], stderr=self._log)
        wait_for(self._answers, lambda: f"unbound answers\n{(self.folder / 'log').read_text()}")

    def _sign(self, text: str, forged: tuple[str, ...]) -> str:
        """Write the zone files, each line into that of its name; returns the name of the root's key."""
        zones = {name: [_BELOW.format(zone=name)] for name in ("plain", *forged)}
        root = [_HEAD]
        for line in filter(str.strip, text.splitlines()):
            owner = line.split()[0]
            zone = next((name for name in zones if owner == name or owner.endswith(f".{name}")), "")
            words = (f"{word}." if n == 0 or (word[0].isalpha() and "." in word) else word for n, word in enumerate(line.split()))
            (zones[zone] if zone else root).append(" ".join(words) + "\n")
        for name in zones:
            root += (f"{name}. NS ns.{name}.\n", f"ns.{name}. A 127.0.0.1\n")
            if name != "plain":
                root.append(f"{name}. {_FORGED}\n")
            (self.folder / name).write_text("$TTL 300\n" + "".join(zones[name]))
        (self.folder / "root").write_text("".join(root))
        made = self._run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", ".")
        key = made.stdout.decode().strip()
        self._run("dnssec-signzone", "-q", "-z", "-P", "-S", "-o", ".", "-f", "root.signed", "root")
        return key

    def _run(self, *command: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, 53), 1):
            return True
        return False

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._nobody.close()
        self._log.close()
        shutil.rmtree(self.folder)
