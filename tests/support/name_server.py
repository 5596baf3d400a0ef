"""A name server with a zone of its own, and a command that gives another one this server alone (needs root)."""

import contextlib
import random
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from tests.golden.surroundings import stub


class ZoneServer:
    """Serves a zone (the form is that of the golden cases' stub) at port 53 of an address of its own. `prefix`: runs a command with
    it as the only name server; `questions`: how many have come."""

    def __init__(self, zone: str) -> None:
        self.address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.questions = 0
        self._zone = stub("dns_stub").Zone(zone)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        self.folder = Path(tempfile.mkdtemp(prefix="zone-"))
        self.folder.chmod(0o755)
        (self.folder / "resolv.conf").write_text(f"nameserver {self.address}\noptions timeout:2 attempts:1\n")
        mount = f'mount --bind {self.folder}/resolv.conf /etc/resolv.conf && exec "$@"'
        self.prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                question, client = self._socket.recvfrom(4096)
                self.questions += 1
                if answer := self._zone.answer(question):
                    self._socket.sendto(answer, client)

    def change(self, zone: str) -> None:
        """Serve this zone from now on."""
        self._zone = stub("dns_stub").Zone(zone)

    def close(self) -> None:
        self._socket.close()
        shutil.rmtree(self.folder)
