"""A full disk, an unwritable queue, damaged databases and contents: mail is put off, named, set aside; the rest flows."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

_BIG = 600_000  # octets of a message that is kept as a file
_AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@contextlib.contextmanager
def _small_disk(size: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gatepost-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def _text(name: str, size: int = 100) -> str:
    return f"X-Id: {name}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72)


@_AS_ROOT
def test_a_full_disk_puts_mail_off_and_nothing_is_lost() -> None:
    with _small_disk("8m") as disk, Sink() as sink:
        main = {"queue_directory": f"{disk}/spool", "queue_minfree": "1", "message_size_limit": "0", "queue_deliver": "no"}
        with System(main, relay=sink.port) as system:
            acknowledged, refused = set(), 0
            for number in range(40):
                size = _BIG if number % 2 else 20_000
                if system.send(_text(str(number), size)):
                    acknowledged.add(str(number))
                else:
                    refused += 1
            assert refused
            assert acknowledged
            system.logged("warning:", "No space left on device")
            system.stop()
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            system.configure({"queue_deliver": "yes"})
            system.start()
            assert system.send(_text("after"))
            wait_for(lambda: acknowledged | {"after"} <= set(sink.ids()), lambda: f"{acknowledged - set(sink.ids())}")
            assert set(sink.ids()) == acknowledged | {"after"}
            assert system.audit().returncode == 0, system.audit().stdout


@_AS_ROOT
def test_a_disk_that_fills_while_running_recovers_by_itself() -> None:
    with _small_disk("16m") as disk, Sink() as sink, System({"queue_directory": f"{disk}/spool"}, relay=sink.port) as system:
        assert system.send(_text("before"))
        with contextlib.suppress(OSError), open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        with system.client() as client:
            client.say("EHLO x.example")
            code, text = client.say("MAIL FROM:<a@example.com>")
            if code == 250:
                client.say("RCPT TO:<b@example.net>")
                assert client.say("DATA")[0] == 354
                client.write(_text("during", _BIG).encode() + b".\r\n")
                code, text = client.reply()
        assert code in (451, 452), (code, text)
        (disk / "ballast").unlink()
        wait_for(lambda: system.send(_text("after", _BIG)), "room again")
        wait_for(lambda: {"before", "after"} <= set(sink.ids()), "both")
        assert "during" not in sink.ids()
        assert system.audit().returncode == 0, system.audit().stdout


@_AS_ROOT
def test_a_queue_that_cannot_be_written_is_named_at_the_start() -> None:
    with _small_disk("8m") as disk:
        system = System({"queue_directory": f"{disk}/spool"})
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        told = system.command("start", "--foreground")
        assert told.returncode != 0
        assert "fatal:" in told.stderr
        assert str(disk) in told.stderr
        assert "Traceback" not in told.stderr
        shutil.rmtree(system.folder)


def _stopped_with_mail(sink: Sink, names: dict[str, int]) -> System:
    """A system that has taken these messages (name, size) and delivered none, and was stopped."""
    system = System({"queue_deliver": "no", "worker_processes": "1"}, relay=sink.port)
    system.start()
    for name, size in names.items():
        assert system.send(_text(name, size))
    system.stop()
    system.configure({"queue_deliver": "yes"})
    return system


def _databases(system: System) -> list[Path]:
    return sorted(system.spool.glob("store/*/queue.sqlite"))


def _flip(data: bytearray, dice: random.Random, count: int, start: int) -> None:
    for _ in range(count):
        data[dice.randrange(start, len(data))] ^= 1 << dice.randrange(8)


def _damage(path: Path, kind: str, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    match kind:
        case "truncated":
            data = data[: len(data) // 2]
        case "emptied":
            data = bytearray()
        case "header overwritten":
            data[:100] = b"\xff" * 100
        case "bits flipped":
            _flip(data, dice, 60, 0)
        case "pages zeroed":
            data[8192:16384] = bytes(8192)
        case "garbage":
            data = bytearray(dice.randbytes(len(data)))
    path.write_bytes(data)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["truncated", "emptied", "header overwritten", "bits flipped", "pages zeroed", "garbage"])
def test_a_damaged_database_is_found_and_other_mail_flows(kind: str, seed: int) -> None:
    dice = random.Random(f"{kind}{seed}")
    with Sink() as sink:
        system = _stopped_with_mail(sink, {f"old-{n}": 20_000 if n % 5 else _BIG for n in range(20)})
        for database in _databases(system):
            with contextlib.closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _damage(database, kind, dice)
        with system:
            assert system.send(_text("new"))
            wait_for(lambda: sink.ids().get("new"), lambda: "new mail\n" + system.log()[-5000:])
            if kind != "emptied":
                wait_for(lambda: "damaged" in system.log() or len(sink.ids()) == 21, lambda: system.log()[-5000:])
            assert system.command("postqueue", "-p").returncode == 0


def test_a_damaged_content_is_held_and_named() -> None:
    with Sink() as sink:
        system = _stopped_with_mail(sink, {"one": _BIG, "two": _BIG, "three": 1000})
        first, second = sorted(system.spool.glob("store/*/content/*"))
        data = bytearray(first.read_bytes())
        data[len(data) // 2] ^= 1
        first.write_bytes(data)
        second.write_bytes(second.read_bytes()[:1000])
        with system:
            wait_for(lambda: sink.ids() == {"three": 1}, "what is sound")
            system.logged("error:", "put on hold, not delivered")
            wait_for(lambda: system.log().count("put on hold, not delivered") >= 2, lambda: system.log())
            assert len(system.queue()) == 2
            assert all('"hold"' in line for line in system.queue())
            told = system.audit()
            assert told.returncode == 1
            assert sink.ids() == {"three": 1}


_VALUES: tuple[object, ...] = (b"\xff\x00\xfe", b"", "../../etc/passwd", -1, 1 << 62, None)
_COLUMNS = {
    "message": ("envelope", "sender", "flags", "content_offset", "content_size", "content_crc", "size"),
    "content": ("data",),
    "recipient": ("address", "site", "due", "status", "attempts", "reason"),
}


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in _COLUMNS.items() for column in columns])
def test_no_stored_value_is_trusted(table: str, column: str) -> None:
    """Each message has another wrong value: the system starts, tools list what they can, and other mail flows."""
    with Sink() as sink:
        system = _stopped_with_mail(sink, {f"victim-{number}": 1000 for number in range(len(_VALUES))})
        with contextlib.closing(sqlite3.connect(_databases(system)[0])) as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM message ORDER BY key")]
            for key, value in zip(keys, _VALUES, strict=True):
                with contextlib.suppress(sqlite3.IntegrityError):
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE key = ?", (value, key))
            connection.commit()
        with system:
            assert system.send(_text("new"))
            wait_for(lambda: sink.ids().get("new"), lambda: "new mail\n" + system.log()[-5000:])
            for command in (["postqueue", "-p"], ["postqueue", "-j"], ["audit"]):
                told = system.command(*command)
                assert "Traceback" not in told.stderr, told.stderr
