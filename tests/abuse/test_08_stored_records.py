"""Trust in stored records (CVE-2025-67896 and its kin): whatever the queue, the maildrop and built tables hold, it is data.

Each record is made consistent (its checksum fits), so that only its meaning can be refused: it is held or set aside by name,
nothing in it is run, opened or said to another server as a command, and other mail flows.
"""

import contextlib
import itertools
import json
import os
import pickle
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.mail.envelope import Notify
from gatepost.queue.record import pack, unpack
from tests.support.running import System, wait_for
from tests.support.sink import Sink

_SECRET = b"X-Id: secret\r\n\r\nnobody may read this\r\n"
_DEEP = 200_000  # levels


def _stopped(sink: Sink, count: int, size: int = 1000) -> System:
    """A system with that many messages in one partition, none delivered, and stopped."""
    system = System({"queue_deliver": "no", "worker_processes": "1"}, relay=sink.port).start()
    for number in range(count):
        assert system.send(f"X-Id: victim-{number}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72))
    system.stop()
    system.configure({"queue_deliver": "yes"})
    return system


@contextlib.contextmanager
def _database(system: System) -> Iterator[sqlite3.Connection]:
    (path,) = system.spool.glob("store/*/queue.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def _rows(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    return connection.execute("SELECT key, envelope FROM message ORDER BY key").fetchall()


def _replace(connection: sqlite3.Connection, key: int, envelope: bytes) -> None:
    connection.execute("UPDATE message SET envelope = ?, envelope_crc = ? WHERE key = ?", (envelope, zlib.crc32(envelope), key))


def _others_flow(system: System, sink: Sink) -> None:
    assert system.send("X-Id: new\r\n\r\n")
    wait_for(lambda: sink.ids().get("new"), lambda: "new mail\n" + system.log()[-5000:])
    for command in (["postqueue", "-p"], ["postqueue", "-j"], ["audit"]):
        assert "Traceback" not in system.command(*command).stderr


def _held(system: System) -> int:
    return sum('"hold"' in line for line in system.queue())


def test_envelopes_cut_anywhere_are_held() -> None:
    count = 20
    with Sink() as sink:
        system = _stopped(sink, count)
        with _database(system) as connection:
            for number, (key, envelope) in enumerate(_rows(connection)):
                _replace(connection, key, envelope[: len(envelope) * number // count])
        with system:
            wait_for(lambda: _held(system) == count, lambda: f"{_held(system)} held\n{system.log()[-5000:]}")
            wait_for(lambda: system.log().count("put on hold, not delivered") == count, "a line for each")
            _others_flow(system, sink)
            assert sink.ids() == {"new": 1}


HOSTILE = {
    "nothing": b"",
    "deep JSON": b'{"sender":' * _DEEP,
    "deep lists": b"m" + b"\x91" * _DEEP,
    "deep maps": b"m" + b"\x81\xa1x" * _DEEP,
    "an array of four thousand million": b"m\x83\xa6sender\xa1a\xaarecipients\xdd\xff\xff\xff\xff",
    "a string of four thousand million": b"m\x82\xa6sender\xdb\xff\xff\xff\xff",
    "numbers for names": b"m\x82\xa6sender\x01\xaarecipients\x90",
    "a pickle": pickle.dumps(os.getcwd),
    "UTF-16": b"{\0}\0",
    "an extension type": b"m\xc7\x08\x01abcdefgh",
    "no text": b"{\"sender\": \"\\ud800\", \"recipients\": [[\"\xff\"]]}",
}  # fmt: skip


def test_envelopes_that_are_none_are_held() -> None:
    with Sink() as sink:
        system = _stopped(sink, len(HOSTILE))
        with _database(system) as connection:
            for (key, _), envelope in zip(_rows(connection), HOSTILE.values(), strict=True):
                _replace(connection, key, envelope)
        with system:
            wait_for(lambda: _held(system) == len(HOSTILE), lambda: f"{_held(system)} held\n{system.log()[-5000:]}")
            _others_flow(system, sink)
            assert sink.ids() == {"new": 1}


ADDRESSES = (
    "b@x.example>\r\nRCPT TO:<injected@x.example",
    "b@x.example\r\nDATA\r\nX-Id: injected\r\n\r\n.\r\n",
    "\r\nRSET\r\nMAIL FROM:<injected@x.example>\r\n@x.example",
    "|touch {dir}/owned",
    '"|touch {dir}/owned"@local.example',
    "/{dir}/owned",
    ":include:/etc/passwd",
    "-C/{dir}/owned",
    "$(touch {dir}/owned)@x.example",
    "b@[127.0.0.1]:{port}",
    "b@smtp:[127.0.0.1]",
    "b\0@x.example",
    "b@" + "x" * 100_000,
    "@",
    "",
)


PLACES = ("recipient", "sender", "original", "envid", "attribute")


def test_addresses_in_the_queue_are_neither_commands_nor_files() -> None:
    cases = list(itertools.product(PLACES, ADDRESSES))
    with Sink() as sink:
        system = _stopped(sink, len(cases))
        with _database(system) as connection:
            for (key, envelope), (place, text) in zip(_rows(connection), cases, strict=True):
                _replace(connection, key, _with(envelope, place, system.fill(text)))
        with system:
            _others_flow(system, sink)
            wait_for(lambda: '"active"' not in "".join(system.queue()), lambda: system.log()[-5000:])
        verbs = {line.partition(b" ")[0].upper() for line in sink.commands}
        assert verbs <= {b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT", b"RSET"}
        assert not [line for line in sink.commands if line.startswith((b"MAIL FROM:<injected", b"RCPT TO:<injected"))]
        assert not sink.ids().get("injected")
        assert not (system.folder / "owned").exists()


def _with(packed: bytes, place: str, text: str) -> bytes:
    """The envelope with `text` in one place."""
    envelope = unpack(packed)
    (recipient,) = envelope.recipients
    match place:
        case "recipient":
            recipient = replace(recipient, address=text)
        case "original":
            recipient = replace(recipient, original=text, orcpt=f"rfc822;{text}", notify=int(Notify.FAILURE | Notify.SUCCESS))
        case "sender":
            envelope = replace(envelope, sender=text)
        case "envid":
            envelope = replace(envelope, envid=text)
        case "attribute":
            envelope = replace(envelope, attributes=tuple((name, text) for name, _ in envelope.attributes))
    return pack(replace(envelope, recipients=(recipient,)))


def _to_a_link(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def _to_a_hard_link(path: Path, secret: Path) -> None:
    path.unlink()
    os.link(secret, path)


def _to_a_pipe(path: Path, secret: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    path.chmod(0o666)


def _to_a_directory(path: Path, secret: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_a_device(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _to_a_sparse_terabyte(path: Path, secret: Path) -> None:
    os.truncate(path, 1 << 40)


INSTEAD: tuple[Callable[[Path, Path], None], ...] = (
    _to_a_link, _to_a_hard_link, _to_a_pipe, _to_a_directory, _to_a_device, _to_a_sparse_terabyte,
)  # fmt: skip


def test_a_content_is_the_file_that_was_written_and_nothing_else() -> None:
    with Sink() as sink:
        system = _stopped(sink, len(INSTEAD), 400_000)
        secret = system.folder / "secret"
        secret.write_bytes(_SECRET)
        secret.chmod(0o644)
        for path, change in zip(sorted(system.spool.glob("store/*/content/*")), INSTEAD, strict=True):
            change(path, secret)
        with system:
            _others_flow(system, sink)
            wait_for(lambda: _held(system) == len(INSTEAD), lambda: f"{_held(system)} held\n{system.log()[-5000:]}")
            assert sink.ids() == {"new": 1}
            assert system.resident() < 200_000_000


# --- the maildrop ---


def _submission(**fields: object) -> bytes:
    return json.dumps({"sender": "a@example.com", "recipients": [{"address": "b@example.net"}], **fields}).encode() + b"\n"


MAILDROP: dict[str, bytes] = {
    "empty": b"",
    "UTF-16": b"\0{\0}\n",
    "UTF-32": b"\0\0\0{\0\0\0}\n",
    "a byte order mark": b"\xff\xfe{\0}\0\n",
    "garbage": bytes(range(256)) * 100,
    "no end": b"{" * 100_000,
    "deep": b"[" * _DEEP + b"\n",
    "not an object": b"[]\n",
    "other types": _submission(recipients=5),
    "other names": b'{"command": "id"}\n',
    "unknown fields": _submission(command="touch {dir}/owned"),
    "huge numbers": b'{"sender": ' + b"9" * 100_000 + b"}\n",
}


def test_a_maildrop_holds_data_only() -> None:
    with Sink() as sink, System(relay=sink.port) as system:
        maildrop = system.spool / "maildrop"
        for number, content in enumerate(MAILDROP.values()):
            _drop(maildrop / f"{number}", content)
        for number, text in enumerate(ADDRESSES):
            filled = system.fill(text)
            _drop(maildrop / f"r{number}", _submission(recipients=[{"address": filled}]) + b"X-Id: x\r\n\r\n")
            _drop(maildrop / f"s{number}", _submission(sender=filled, fullname=filled, envid=filled) + b"X-Id: x\r\n\r\n")
        secret = system.folder / "secret"
        secret.write_bytes(_submission() + _SECRET)
        (maildrop / "link.msg").symlink_to(secret)
        os.link(secret, maildrop / "hard.msg")
        os.mkfifo(maildrop / "pipe.msg")
        (maildrop / "folder.msg").mkdir()
        sent = system.command("sendmail", "-f", "a@example.com", "b@example.net", input="X-Id: new\n\nbody\n")
        assert sent.returncode == 0, sent.stderr
        wait_for(lambda: sink.ids().get("new"), lambda: "new mail\n" + system.log()[-5000:])
        assert not sink.ids().get("secret")
        assert not [line for line in sink.commands if line.startswith((b"MAIL FROM:<injected", b"RCPT TO:<injected"))]
        assert not (system.folder / "owned").exists()


def _drop(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)
    path.rename(path.with_suffix(".msg"))


# --- built tables ---


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut in half": _cut,
    "cut after its head": lambda data: data[:8192],
    "garbage": lambda data: bytes((i * 7919 + 13) % 256 for i in range(len(data))),
    "pages zeroed": lambda data: data[:8192] + bytes(len(data) - 8192),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_table_puts_mail_off_and_no_worker_dies(name: str) -> None:
    with Sink() as sink:
        system = System({"transport_maps": "lmdb:{dir}/table", "worker_processes": "1"}, relay=sink.port)
        table = system.folder / "table"
        table.write_text(
            "".join(f"domain-{n}.example discard:{'x' * 50}\n" for n in range(2000))
            + f"needed.example smtp:[127.0.0.1]:{sink.port}\n"
        )
        assert system.command("postmap", f"lmdb:{table}").returncode == 0
        built = Path(f"{table}.lmdb")
        built.write_bytes(DAMAGE[name](built.read_bytes()))
        with system:
            workers = system.workers()
            assert not system.send("X-Id: early\r\n\r\n", to="b@needed.example")
            system.logged(f"lmdb:{table} lookup error")
            assert system.workers() == workers
            built.unlink()
            assert system.command("postmap", f"lmdb:{table}").returncode == 0
            assert system.command("reload").returncode == 0
            wait_for(lambda: system.send("X-Id: well\r\n\r\n", to="b@needed.example"), "an answer")
            wait_for(lambda: sink.ids() == {"well": 1}, lambda: system.log()[-5000:])
