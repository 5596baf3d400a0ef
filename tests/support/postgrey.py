"""Debian's postgrey at a time that the test says, and traffic to hold against it."""

import heapq
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from msgspec import Struct

from gatepost.proto.policy_delegation import Reader, encode
from tests.support.running import wait_for

START = 1_700_000_000
DAY = 86400
_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("/nowhere"))


class Postgrey:
    """postgrey(8) with these options, at a socket in a folder of its own. `clients`, `recipients`: the text of its lists; `driven`:
    its time is what the test says."""

    def __init__(self, *options: str, clients: str = "", recipients: str = "", driven: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgrey-"))
        self.databases = self.folder / "databases"
        self.databases.mkdir()
        (self.folder / "clients").write_text(clients)
        (self.folder / "recipients").write_text(recipients)
        self.set_time(START)
        command = [
            "/usr/sbin/postgrey", f"--unix={self.folder}/socket", f"--dbdir={self.databases}", "--user=root", "--group=root",
            f"--whitelist-clients={self.folder}/clients", f"--whitelist-recipients={self.folder}/recipients", *options,
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LC_ALL": "C", "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": f"{self.folder}/time", "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        if not driven:
            del environment["LD_PRELOAD"]
        with open(self.folder / "log", "wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._socket = wait_for(self._connected, lambda: f"postgrey\n{(self.folder / 'log').read_text()}")
        self._reader = Reader()

    def _connected(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(f"{self.folder}/socket")
        except OSError:
            connection.close()
            return None
        return connection

    def __enter__(self) -> "Postgrey":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def set_time(self, seconds: int) -> None:
        """From now on it is this time, since 1970, and stays so."""
        new = self.folder / "time.new"
        new.write_text(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S"))
        new.rename(self.folder / "time")

    def ask(self, request: dict[str, str]) -> str:
        """Its action."""
        self._socket.sendall(encode(request))
        while True:
            octets = self._socket.recv(65536)
            assert octets, "postgrey hung up"
            if sets := self._reader.feed(octets):
                return sets[0]["action"]

    def stop(self) -> None:
        """End it, so that its database is whole."""
        self._socket.close()
        for _ in range(50):
            self._process.terminate()  # one that comes while it is busy is lost
            try:
                self._process.wait(0.2)
                return
            except subprocess.TimeoutExpired:
                continue
        self._process.kill()
        raise AssertionError("postgrey does not end")


class Sent(Struct, frozen=True):
    """One request of a day."""

    time: int
    client: str
    name: str
    sender: str
    recipient: str
    instance: str

    def request(self) -> dict[str, str]:
        return {
            "request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "client_address": self.client,
            "client_name": self.name, "reverse_client_name": self.name, "helo_name": "helo.test", "sender": self.sender,
            "recipient": self.recipient, "instance": self.instance,
        }  # fmt: skip


_LOCAL_PARTS = (
    "anna", "Bob", "list-bounces-{n}", "owner+{n}", "news-{n}-x{n}", "bounce-{n}-anna=b.test", "prvs={n}ab=carl", "prvs=x=y={n}",
    "prvs=a+b=c", "prvs=", "prvs=a=", "prvs=a=1-2", "PRVS=1=dora", "SRS0=ab{n}=cd=e.test=eva", "{n}", "+{n}", "o'{n}", "a_{n}", "",
    "m\u00fcller-{n}", "a b-{n}", "a/b", "{n}.{n}+x+y", "\u0661-{n}",
)  # fmt: skip
_RETRIES = (
    (),
    (),
    (),
    (60,),
    (400,),
    (299,),
    (300,),
    (301,),
    (10, 20, 400),
    (900, 1800),
    (7200,),
    (30000,),
    (21599, 21601),
    (43300,),
)


def day(seed: int, messages: int) -> Iterator[Sent]:
    """A day of traffic in the order of time: messages of one to three recipients, each with its retries, some from elsewhere in the
    client's network, some of correspondents who come all day."""
    dice = random.Random(seed)
    regulars = [_correspondent(dice) for _ in range(40)]
    waiting: list[tuple[int, int, tuple[tuple[str, str], str, list[str], tuple[int, ...]]]] = []
    for number in range(messages):
        begin = START + dice.randrange(DAY)
        client, sender = dice.choice(regulars) if dice.random() < 0.6 else _correspondent(dice)
        recipients = [_recipient(dice) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
        heapq.heappush(waiting, (begin, number, (client, sender, recipients, dice.choice(_RETRIES))))
    number = messages
    while waiting:
        now, _, (client, sender, recipients, retries) = heapq.heappop(waiting)
        for recipient in recipients:
            yield Sent(now, client[0], client[1], sender.replace("{n}", str(dice.randrange(99))), recipient, f"i.{number}.0")
        number += 1
        if retries:
            moved = (_elsewhere(client[0], dice), client[1]) if dice.random() < 0.3 else client
            heapq.heappush(waiting, (now + retries[0], number, (moved, sender, recipients, retries[1:])))


def _correspondent(dice: random.Random) -> tuple[tuple[str, str], str]:
    domain = dice.choice(("a.test", "B.test", "sub.c.test", "12.test"))
    local = dice.choice(_LOCAL_PARTS)
    sender = f"{local}@{domain}" if dice.random() < 0.95 else dice.choice(("", local, f"{local}@x@{domain}"))
    name = dice.choice(("unknown", f"mx{dice.randrange(9)}.{domain}", f"10-1-{dice.randrange(9)}.pool.test"))
    if dice.random() < 0.2:
        return (f"2001:db8:{dice.randrange(3)}:{dice.randrange(3)}::{dice.randrange(1, 99):x}", name), sender
    return (f"192.0.{dice.randrange(4)}.{dice.randrange(1, 255)}", name), sender


def _elsewhere(address: str, dice: random.Random) -> str:
    between = ":" if ":" in address else "."
    return f"{address.rpartition(between)[0]}{between}{dice.randrange(1, 99)}"


def _recipient(dice: random.Random) -> str:
    local = dice.choice(("anna", "Berta", "carl+x", "abuse", "postmaster+y", "free", "12"))
    return f"{local}@{dice.choice(('r.test', 'R.test', 'sub.free.test', 'free.test', 'notfree.test'))}"


CLIENTS = "# clients\nmx3.b.test\n192.0.2.77\n192.0.3.64/28\n2001:db8:1:1::/64\n/^10-1-7\\.pool/\n  mx4.a.test # why\n"
RECIPIENTS = "postmaster@\nabuse@r.test\nsub.free.test\n/^FREE@free/\n"
