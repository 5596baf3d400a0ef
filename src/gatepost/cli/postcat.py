"""`gatepost postcat`: show a queued message, as postcat(1) does: its envelope as records, and its content."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from gatepost.admission.queue_file import envelope_octets, record_octets
from gatepost.cli.command import Command, Fatal, octets, run
from gatepost.mail import header
from gatepost.mail.address import external
from gatepost.mail.envelope import Recipient
from gatepost.mail.queue_id import QueueId, parse
from gatepost.queue.inspect import StoredMessage, read
from gatepost.queue.port import IN_HAND, Status

_USAGE = (
    "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)]"
    " [-q (access queue)] [-v] [file(s)...]"
)
_PARTS = "beh"
_BEHIND = 4  # octets of the marks behind the content
_BEFORE_SENDER = ("log_ident", "rewrite_context")
_RET_FLAGS = {"FULL": 1, "HDRS": 2}
_WAITING = frozenset((Status.QUEUED, Status.HELD, *IN_HAND, Status.REQUEUED))


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, or 1 for an error."""
    import getopt

    try:
        options, operands = getopt.getopt(octets(argv[1:]), "bc:dehoqrsv")
    except getopt.GetoptError as error:
        what = "option requires an argument" if "requires" in error.msg else "invalid option"
        sys.stderr.write(f"postcat: {what} -- '{error.opt}'\n")
        return run(Command("postcat"), _usage, failure=1)
    command = Command("postcat", directory=dict(options).get("-c"))
    letters = {name[1] for name, _ in options}
    parts = letters & set(_PARTS) or set(_PARTS)
    form = Form(offset="o" in letters, decimal="d" in letters, named="v" in letters)

    def body() -> int:
        for name in operands:
            if "q" in letters:
                show(_stored(command, name), parts, form)
            else:
                _refuse(command, Path(name))
        return 0

    return run(command, body, failure=1)


def _usage() -> int:
    raise Fatal(_USAGE, logged=False)


def _stored(command: Command, name: str) -> StoredMessage:
    if not (name.isalnum() and name.isascii()):
        raise Fatal(f"bad mail queue ID: {name}", logged=False)
    try:
        found = _read(command, parse(name))
    except ValueError:
        found = None
    if found is None:
        raise Fatal(f"open queue file {name}: No such file or directory", logged=False)
    return found


def _read(command: Command, identity: QueueId) -> StoredMessage | None:
    import sqlite3

    from gatepost.queue.transaction import DamagedMessage

    command.become_owner()
    try:
        found = read(command.queue_directory, identity)
    except DamagedMessage as damage:
        raise Fatal(f"{identity}: {damage.what}", logged=False) from None
    except sqlite3.Error as error:
        raise Fatal(f"{identity}: {error}", logged=False) from None
    return found if found is not None and found.queue else None


def _refuse(command: Command, path: Path) -> None:
    """Our queue has no files that could be shown by name."""
    try:
        with open(path, "rb"):
            command.warn(f"{path}: input is not a valid queue file", logged=False)
    except OSError as error:
        raise Fatal(f"open {path}: {error.strerror}", logged=False) from None


class Form(Struct, frozen=True):
    """How a record is shown: where it begins (`-o`), its type as a number (`-d`), the name of a line of content (`-v`)."""

    offset: bool = False
    decimal: bool = False
    named: bool = False


def show(message: StoredMessage, parts: set[str], form: Form) -> None:
    """Write the wanted parts (`e`, `h`, `b`) on standard output."""
    write, offset = sys.stdout.buffer.write, 0
    for record in _all(message, parts, form.named):
        before = f"{offset:9d} " if form.offset and record.type else ""
        before += f"{ord(record.type):3d} " if form.decimal and record.type else ""
        if record.part in parts:
            write(before.encode() + record.line + b"\n")
        offset += record.octets
    sys.stdout.flush()


class _Record(Struct, frozen=True):
    """A record as Postfix would have it in the queue file: its type (none: there is no such record), its line, the part that it
    belongs to, what it takes there."""

    type: str
    line: bytes
    part: str = "e"
    octets: int = 0


def _all(message: StoredMessage, parts: set[str], named: bool) -> Iterator[_Record]:
    """The records of a message in their order."""
    place = f"{message.queue}/{message.id}"
    yield _mark("", f"*** ENVELOPE RECORDS {place} ***", 0)
    yield from _records(message)
    yield _mark("M", f"*** MESSAGE CONTENTS {place} ***")
    if parts & {"h", "b"}:
        yield from _content(message, named)
    yield _mark("X", f"*** HEADER EXTRACTED {place} ***")
    if message.envelope.encoding:
        yield _named("A", f"encoding={message.envelope.encoding}")
    yield _mark("E", f"*** MESSAGE FILE END {place} ***")


def _mark(letter: str, text: str, octets: int = 2) -> _Record:
    return _Record(letter, text.encode("utf-8", "surrogateescape"), octets=octets)


_NAMES: Final = {
    "A": "named_attribute", "S": "sender", "O": "original_recipient", "R": "recipient", "D": "done_recipient",
    "F": "sender_fullname", "L": "content_filter", ">": "redirect_to", "V": "verp_delimiters",
}  # fmt: skip


def _named(letter: str, text: str, internal: str | None = None) -> _Record:
    """`internal`: the text in the queue file, where another is shown."""
    line = f"{_NAMES[letter]}: {text}".encode("utf-8", "surrogateescape")
    return _Record(letter, line, octets=record_octets(text if internal is None else internal))


def _records(message: StoredMessage) -> Iterator[_Record]:
    """The envelope as the records of a queue file of Postfix."""
    import time

    envelope, id_ = message.envelope, str(message.id)
    arrival = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(message.id.arrival))
    before = envelope_octets(id_, envelope) - _BEHIND
    sizes = (message.size, before, len(envelope.recipients), 0, message.size, 0)
    yield _mark("C", "message_size: " + " ".join(f"{size:>15}" for size in sizes), 97)
    yield _mark("T", f"message_arrival_time: {arrival}", 19)
    yield _mark("A", f"create_time: {arrival}", 24)
    if envelope.envid:
        yield _named("A", f"envelope_id={envelope.envid}")
    if envelope.ret:
        yield _named("A", f"ret_flags={_RET_FLAGS.get(envelope.ret, 0)}")
    attributes = [(name, value) for name, value in envelope.attributes if name != "encoding"]
    if not envelope.attribute("log_ident"):
        yield _named("A", f"log_ident={id_}")  # its own where no client told another
    first = [one for one in attributes if one[0] in _BEFORE_SENDER]
    yield from (_named("A", f"{name}={value}") for name, value in first)
    special = (("F", envelope.sender_fullname), ("L", envelope.content_filter), (">", envelope.redirect), ("V", envelope.verp))
    yield from (_named(letter, value) for letter, value in special if value)
    yield _named("S", external(envelope.sender), envelope.sender)
    yield from (_named("A", f"{name}={value}") for name, value in attributes if (name, value) not in first)
    if envelope.encoding:
        yield _named("A", f"encoding={envelope.encoding}")
    for index, recipient in enumerate(envelope.recipients):
        yield from _recipient(recipient, message.states.get(index, Status.QUEUED))


def _recipient(recipient: Recipient, status: Status) -> Iterator[_Record]:
    if recipient.notify:
        yield _named("A", f"notify_flags={int(recipient.notify)}")
    if recipient.orcpt:
        yield _named("A", f"dsn_orig_rcpt={recipient.orcpt}")
    yield _named("O", external(recipient.original), recipient.original)
    yield _named("R" if status in _WAITING else "D", external(recipient.address), recipient.address)


def _content(message: StoredMessage, named: bool) -> Iterator[_Record]:
    """The lines of the header section, and the rest; the empty line between the two is the body's."""
    if message.content is None:
        return
    data = b"".join(message.content.chunks())
    end = header.split(data).end
    name = b"regular_text: " if named else b""
    for part, text in (("h", data[:end]), ("b", data[end:])):
        lines = text.split(b"\r\n")
        if not lines[-1]:
            lines.pop()
        yield from (_Record("N", name + line, part, len(line) + 2) for line in lines)
