"""What comes back from a disk, from users' files and from programs of this machine."""

import io

from msgspec.structs import astuple

from gatepost.events.maillog import printable
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome
from gatepost.queue import notice_templates, record
from gatepost.receive import maildrop
from gatepost.receive.unix_lines import LineEnds, SizeExceeded, wire_form
from tests.fuzz.pieces import fields, octets, text


def unix_lines(data: bytes) -> None:
    """Whatever line ends a program writes, the content is lines that end in CRLF."""
    for ends in LineEnds:
        for dot_ends in (True, False):
            try:
                out = b"".join(wire_form(io.BytesIO(data), ends, dot_ends=dot_ends, limit=5000))
            except SizeExceeded:
                continue
            assert not out or out.endswith(b"\r\n")
            assert out.count(b"\n") == out.count(b"\r\n")
            assert len(out) <= 2 * len(data) + 2


def maildrop_file(data: bytes) -> None:
    """The first line of a file that any user may leave: a submission of texts that are octets, or damaged."""
    try:
        submission = maildrop._submission(data)
    except maildrop.Damaged:
        return
    for recipient in submission.recipients:
        octets(recipient.address)
    for value in astuple(submission):
        if isinstance(value, str):
            octets(value)


def queue_record(data: bytes) -> None:
    """An envelope in the store, sound or not; whatever is put in comes back."""
    for damaged in (b"m" + data, b"{" + data, data):
        try:
            record.unpack(damaged)
        except ValueError:
            continue
    sender, original, attribute = map(text, fields(data, 3))
    envelope = Envelope(sender, (Recipient(original, sender, attribute),), attributes=((attribute, original),))
    assert record.unpack(record.pack(envelope)) == envelope
    assert record.as_text(record.text_of(sender)) == sender


def outcome_record(data: bytes) -> None:
    """How a recipient ended, in the ledger."""
    try:
        record.unpack_outcome(text(data))
    except ValueError:
        pass
    record.unpack_outcome(record.pack_outcome(Outcome(2, "5.0.0", text(data))))


def notice_template(data: bytes) -> None:
    """A template file: what is wrong is a warning."""
    heard: list[str] = []
    for kind, template in notice_templates.parse(text(data), "templates", heard.append).items():
        assert kind == template.kind
        octets(template.text)


def log_text(data: bytes) -> None:
    """No text makes a second line of the log."""
    line = printable(text(data))
    assert line.isprintable()
    assert len(line) == len(text(data))
