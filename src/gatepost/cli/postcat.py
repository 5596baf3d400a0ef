"""`gatepost postcat`: show a queued message, as postcat(1) does: its envelope as records, and its content."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gatepost.cli.command import Command, Fatal, octets, run
from gatepost.mail import header
from gatepost.mail.address import external
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId, parse
from gatepost.queue.inspect import StoredMessage, read
from gatepost.queue.port import Status

_USAGE = (
    "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)]"
    " [-q (access queue)] [-v] [file(s)...]"
)
_PARTS = "beh"
_BEFORE_SENDER = ("log_ident", "rewrite_context")
_RET_FLAGS = {"FULL": 1, "HDRS": 2}
_WAITING = frozenset((Status.QUEUED, Status.HELD, Status.ACTIVE, Status.REQUEUED))


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

    def body() -> int:
        for name in operands:
            if "q" in letters:
                show(_stored(command, name), parts)
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


def show(message: StoredMessage, parts: set[str]) -> None:
    """Write the wanted parts (`e`, `h`, `b`) on standard output."""
    place = f"{message.queue}/{message.id}"
    write = sys.stdout.buffer.write
    framed = "e" in parts
    if framed:
        for line in (f"*** ENVELOPE RECORDS {place} ***", *_records(message), f"*** MESSAGE CONTENTS {place} ***"):
            write(line.encode("utf-8", "surrogateescape") + b"\n")
    for chunk in _content(message, parts):
        write(chunk)
    if framed:
        for line in (f"*** HEADER EXTRACTED {place} ***", *_extracted(message.envelope), f"*** MESSAGE FILE END {place} ***"):
            write(line.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()


def _records(message: StoredMessage) -> Iterator[str]:
    """The envelope as the records of a queue file of Postfix."""
    import time

    envelope = message.envelope
    arrival = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(message.id.arrival))
    yield f"message_size: {message.size:>15} {0:>15} {len(envelope.recipients):>15} {0:>15} {message.size:>15} {0:>15}"
    yield f"message_arrival_time: {arrival}"
    yield f"create_time: {arrival}"
    if envelope.envid:
        yield f"named_attribute: envelope_id={envelope.envid}"
    if envelope.ret:
        yield f"named_attribute: ret_flags={_RET_FLAGS.get(envelope.ret, 0)}"
    attributes = [(name, value) for name, value in envelope.attributes if name != "encoding"]
    if not envelope.attribute("log_ident"):
        yield f"named_attribute: log_ident={message.id}"  # its own where no client told another
    first = [one for one in attributes if one[0] in _BEFORE_SENDER]
    yield from (f"named_attribute: {name}={value}" for name, value in first)
    named = (
        ("sender_fullname", envelope.sender_fullname),
        ("content_filter", envelope.content_filter),
        ("redirect_to", envelope.redirect),
        ("verp_delimiters", envelope.verp),
    )
    yield from (f"{name}: {value}" for name, value in named if value)
    yield f"sender: {external(envelope.sender)}"
    yield from (f"named_attribute: {name}={value}" for name, value in attributes if (name, value) not in first)
    if envelope.encoding:
        yield f"named_attribute: encoding={envelope.encoding}"
    for index, recipient in enumerate(envelope.recipients):
        yield from _recipient(recipient, message.states.get(index, Status.QUEUED))


def _recipient(recipient: Recipient, status: Status) -> Iterator[str]:
    if recipient.notify:
        yield f"named_attribute: notify_flags={int(recipient.notify)}"
    if recipient.orcpt:
        yield f"named_attribute: dsn_orig_rcpt={recipient.orcpt}"
    yield f"original_recipient: {external(recipient.original)}"
    yield f"{'recipient' if status in _WAITING else 'done_recipient'}: {external(recipient.address)}"


def _extracted(envelope: Envelope) -> Iterable[str]:
    return [f"named_attribute: encoding={envelope.encoding}"] if envelope.encoding else []


def _content(message: StoredMessage, parts: set[str]) -> Iterator[bytes]:
    """The header section, the rest, or both, with LF line ends."""
    if message.content is None or not parts & {"h", "b"}:
        return
    data = b"".join(message.content.chunks())
    end = header.split(data).end
    start = 0 if "h" in parts else end  # the empty line between the two is the body's
    stop = len(data) if "b" in parts else end
    yield data[start:stop].replace(b"\r\n", b"\n")
