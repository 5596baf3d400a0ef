"""What a session may hold in memory: little more than the client has sent."""

import tracemalloc

from gatepost.mail.address import _kept as kept_addresses
from gatepost.mail.address import external
from gatepost.mail.envelope import Recipient
from gatepost.proto.smtp.replies import LONGEST, ServerReply, wire
from gatepost.receive.transaction import MailTransaction, Sender, envelope, recipient

LONG = 2000
MANY = 1000


def _address(number: int) -> str:
    return f"{number}{'x' * (LONG - 20)}@example.net"


def test_recipients_take_what_they_are_long() -> None:
    """Without an ORCPT of its own, an address is kept once; what Postfix's queue file says of it comes with the envelope."""
    transaction = MailTransaction(Sender("a@example.com"))
    tracemalloc.start()
    try:
        for number in range(MANY):
            address = _address(number)
            transaction.recipients.append(recipient(address, f"rfc822;{address}", 0))
            external(address)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1.2 * LONG * MANY
    first = envelope(transaction.sender, transaction.recipients, [], ()).recipients[0]
    assert first == Recipient(_address(0), _address(0), f"rfc822;{_address(0)}", 0)


def test_an_original_recipient_is_kept_as_it_was_given() -> None:
    transaction = MailTransaction(Sender("a@example.com"))
    transaction.recipients.append(recipient("a b@example.net", 'rfc822;"a b"@example.net', 2))
    transaction.recipients.append(recipient("c@example.net", "utf-8;d@example.net", 0))
    assert envelope(transaction.sender, transaction.recipients, [], ()).recipients == (
        Recipient("a b@example.net", "a b@example.net", 'rfc822;"a b"@example.net', 2),
        Recipient("c@example.net", "c@example.net", "utf-8;d@example.net", 0),
    )


def test_what_others_write_long_is_not_kept() -> None:
    """Caches are for what comes again; one that held long texts would hold megabytes."""
    kept = kept_addresses.cache_info().currsize
    for number in range(MANY):
        external(_address(number))
        wire(ServerReply(550, "5.1.1", f"<{_address(number)}>"))
    assert kept_addresses.cache_info().currsize == kept
    assert not any(len(line) > LONGEST + 2 for line in (wire(ServerReply(550, "", "x" * 100_000)),))
