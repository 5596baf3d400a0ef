"""What comes back from a disk, from users' files and from programs of this machine."""

import io
import ipaddress

from msgspec.structs import astuple

from gatepost.events import json_lines, records
from gatepost.events.maillog import printable, words
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.reason import Reason
from gatepost.net.hosts_file import entries as hosts_entries
from gatepost.proto.attributes import ProtocolError, Reader
from gatepost.queue import notice_templates, record
from gatepost.queue.inspect import ListedMessage, Run
from gatepost.queue.listing_attributes import as_attributes, from_attributes
from gatepost.receive import maildrop
from gatepost.receive.unix_lines import LineEnds, SizeExceeded, wire_form
from tests.fuzz.pieces import fields, octets, same, text, without_blanks


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


def log_lines(data: bytes) -> None:
    """Every record is one line, whatever strangers and programs have put into it."""
    one, two, three = map(text, fields(data, 3))
    for event in (
        records.Connected("smtpd", one),
        records.Disconnected("smtpd", one, ((two, 1, 2), (three, 0, 0))),
        records.SessionLost("smtpd", one, two, three),
        records.Accepted("smtpd", one, two, three, one, two, three, one),
        records.Judged("smtpd", one, two, three, one, two, three, Reason(one, two, three, one)),
        records.Judged("cleanup", one, two, three, one, two, three),
        records.MessageId("cleanup", one, two),
        records.PickedUp("pickup", one, 0, two, three),
        records.Activated("qmgr", one, two, 1, 1),
        records.Delivered("smtp", one, two, three, one, 0.5, (0.1, 0.2, 0.3, 0.4), two, three, one),
        records.Removed("qmgr", one),
        records.Notified("bounce", one, two, three),
        records.Note("postfix", one, two, three),
    ):
        line = words(event)
        assert line.isprintable()
        assert json_lines.line(event, time=0.0, process="postfix/smtpd", pid=1).count("\n") == 1
        assert len(line) <= 6 * (len(one) + len(two) + len(three)) + 200
        octets(line)


def showq_listing(data: bytes) -> None:
    """A listing reads as it was sent, in any pieces; anything else is told to be none."""

    def run(pieces: list[bytes]) -> list[object]:
        reader = Reader(1000)
        found: list[object] = []
        try:
            for message in from_attributes(one for piece in pieces for one in reader.feed(piece)):
                found.append(message)
        except ProtocolError:
            found.append("no listing")
        return found

    same(_HEAD + data, run)
    run([data])
    sender, address, reason = map(text, (*data.replace(b"\0", b"").split(b"\n", 2), b"", b"")[:3])
    listed = ListedMessage(QueueId(1_700_000_000_000_000, 1), "", 5, "deferred", (Run(reason, ("a@b",)), Run(reason + "x", ("",))))
    sent = b"".join(as_attributes([listed])) + b"\0"
    assert run([sent]) == [listed] or len(sent) > 1000
    for message in run([b"".join(as_attributes([ListedMessage(listed.id, sender, 0, address, ())])) + b"\0"]):
        assert isinstance(message, ListedMessage)


_HEAD = b"protocol\0mail_queue_list_protocol\0\0"


def hosts_file(data: bytes) -> None:
    """hosts(5): whatever is in it, names stand for addresses."""
    for address, names in hosts_entries(data):
        ipaddress.ip_address(address)
        for name in names:
            assert without_blanks(octets(name)) == name
            assert name
