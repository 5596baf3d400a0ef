"""Debian's pebble: an authority that speaks ACME, for tests. Every name that it asks for is at 127.0.0.1 (pebble-challtestsrv)."""

import json
import os
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.support import certificate
from tests.support.free_ports import free_ports
from tests.support.running import wait_for


class Pebble:
    """A running pebble. `refuses`: of a hundred good nonces; `config`: more members of its configuration; `slow`: it waits for some
    seconds before it looks at a challenge.

    `directory`: its URL; `ca_file`: who vouches for its own host; `http`, `tls`: the ports where it looks at challenges."""

    def __init__(self, refuses: int = 20, config: Mapping[str, object] | None = None, *, slow: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pebble-"))
        self.folder.chmod(0o755)
        own = certificate.make(self.folder / "own", "localhost")
        self.ca_file = own.authority
        self._listen, self._management, self.http, self.tls = free_ports(4)
        self._dns, other = free_ports(2)
        self.directory = f"https://localhost:{self._listen}/dir"
        told = {
            "listenAddress": f"127.0.0.1:{self._listen}", "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(own.chain), "privateKey": str(own.key), "httpPort": self.http, "tlsPort": self.tls,
            "externalAccountBindingRequired": False, **(config or {}),
        }  # fmt: skip
        (self.folder / "config.json").write_text(json.dumps({"pebble": told}))
        self._environment = {"PEBBLE_WFE_NONCEREJECT": str(refuses), "PEBBLE_AUTHZREUSE": "0"}
        self._environment |= {"PEBBLE_VA_SLEEPTIME": "8"} if slow else {"PEBBLE_VA_NOSLEEP": "1"}
        names = ["pebble-challtestsrv", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
        names += ["-dns01", f"127.0.0.1:{self._dns}", "-management", f"127.0.0.1:{other}"]
        self._names = self._run(names)
        self._pebble = self._run(self._command())

    def _command(self) -> list[str]:
        return ["pebble", "-config", str(self.folder / "config.json"), "-dnsserver", f"127.0.0.1:{self._dns}"]

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **self._environment})

    def __enter__(self) -> "Pebble":
        self._wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()
        self._names.kill()
        self._names.wait()
        if error is not None:
            print(self.output()[-8000:])

    def down(self) -> None:
        """Kill it."""
        self._pebble.kill()
        self._pebble.wait()

    def up(self) -> None:
        """Start it again; it has forgotten everything."""
        self._pebble = self._run(self._command())
        self._wait()

    def _wait(self) -> None:
        def answers() -> bool:
            try:
                return bool(self._ask(self.directory))
            except OSError:
                return False

        wait_for(answers, self.output, 30)

    def _ask(self, url: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return bytes(answer.read())

    def root(self) -> str:
        """The certificate of the authority that signs what it issues, PEM."""
        return self._ask(f"https://localhost:{self._management}/roots/0").decode()

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")
