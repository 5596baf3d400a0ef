"""The listing as showq(8) sends it: in Postfix's own octets, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.queue_id import parse
from gatepost.proto.attributes import END, ProtocolError, Reader
from gatepost.queue.inspect import ListedMessage, Run
from gatepost.queue.listing_attributes import as_attributes, from_attributes

_ID = parse("4jYwrj49v8zJJ2p")
_REASON = "connect to 127.0.0.1[127.0.0.1]:1: Connection refused"
_HEAD = b"protocol\0mail_queue_list_protocol\0\0"


def told(*messages: ListedMessage) -> bytes:
    return b"".join(as_attributes(messages)) + END


def read(wire: bytes) -> list[ListedMessage]:
    return list(from_attributes(Reader(1 << 20).feed(wire)))


def test_an_empty_queue() -> None:
    assert told() == _HEAD + b"\0"


def test_a_message_as_postfix_tells_of_it() -> None:
    """Seen at the public/showq of Postfix 3.7: recipients that were never tried have an empty reason."""
    facts = b"queue_name\0deferred\0queue_id\x004jYwrj49v8zJJ2p\0time\0%d\0size\x00279\0forced_expire\x001\0sender\0a@b.test\0"
    waiting = b'recipient\0"q r"@far.test\0reason\0' + _REASON.encode() + b"\0recipient\0x@far.test\0reason\0\0"
    message = ListedMessage(_ID, "a@b.test", 279, "deferred", (Run(_REASON, ("q r@far.test",)), Run("", ("x@far.test",))), True)
    assert told(message) == _HEAD + facts % (_ID.key // 1_000_000) + waiting + b"\0\0"


_runs = st.lists(st.tuples(st.text(), st.lists(st.text(), min_size=1).map(tuple)), min_size=1, unique_by=lambda run: run[0])


@given(st.text().filter(lambda sender: sender != "MAILER-DAEMON" and "\0" not in sender), st.integers(0), _runs)
def test_what_is_told_is_read(sender: str, size: int, runs: list[tuple[str, tuple[str, ...]]]) -> None:
    clean = tuple(Run(reason.replace("\0", ""), tuple(a.replace("\0", "") for a in addresses)) for reason, addresses in runs)
    if len({run.reason for run in clean}) < len(clean):
        return
    message = ListedMessage(_ID, sender, size, "hold", clean)
    assert read(told(message, message)) == [message, message]


def test_bounces_have_a_sender() -> None:
    message = ListedMessage(_ID, "", 1, "active", (Run("", ("x@far.test",)),))
    assert b"\0sender\0MAILER-DAEMON\0" in told(message)
    assert read(told(message)) == [message]


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\0",
        _HEAD,
        _HEAD + b"queue_name\0active\0\0\0",
        b"protocol\0queue_flush_protocol\0\0\0",
        told(ListedMessage(_ID, "a", 1, "active", ()))[:-1],
        told(ListedMessage(_ID, "a", 1, "active", ())).replace(b"4jYwrj49v8zJJ2p", b"not an id"),
        told(ListedMessage(_ID, "a", 1, "active", ())).replace(b"size\x001", b"size\0one"),
        told(ListedMessage(_ID, "a", 1, "active", (Run("", ("b",)),))).replace(b"reason", b"season"),
    ],
)
def test_what_is_no_complete_listing_is_none(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(wire)
