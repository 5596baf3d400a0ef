"""message_size_limit includes the envelope: as many octets as the records of a queue file that Postfix 3.7 wrote."""

import pytest

from gatepost.admission.queue_file import envelope_octets, may_exceed
from gatepost.mail.envelope import Envelope, Notify, Recipient

_ATTRIBUTES = (
    "rewrite_context=remote log_client_name=client2.client.test log_client_address=127.0.0.2 log_client_port=55515 "
    "log_message_origin=client2.client.test[127.0.0.2] log_helo_name=client2.client.test log_protocol_name=ESMTP "
    "client_name=client2.client.test reverse_client_name=client2.client.test client_address=127.0.0.2 client_port=55515 "
    "server_address=127.0.0.1 server_port=2525 helo_name=client2.client.test protocol_name=ESMTP client_address_type=2"
)
_RECIPIENTS = (
    Recipient("alice@example.test", "alice@example.test", "rfc822;a@b.test", Notify.NEVER),
    Recipient("bob@example.test", "bob@example.test", "rfc822;b@b.test", Notify.DELAY),
)


def test_the_records_around_a_content() -> None:
    pairs = tuple((name, value) for name, _, value in (word.partition("=") for word in _ATTRIBUTES.split()))
    envelope = Envelope("sender@client.test", _RECIPIENTS, attributes=pairs)
    whole, content = 1153, 70 + 64 + 40 + 35 + 24 + 15 + 39 + 31 + 2 + 7
    assert envelope_octets("4jcjHh4fC3zNShl", envelope) == whole - content


@pytest.mark.parametrize("text", ["a" * 127, "a" * 128, "é" * 64, "a" * 20_000])
def test_a_length_takes_an_octet_for_each_seven_bits(text: str) -> None:
    octets = len(text.encode())
    grown = envelope_octets("Q", Envelope(text)) - envelope_octets("Q", Envelope(""))
    assert grown == octets + (octets > 127) + (octets > 16383)


def test_only_what_is_near_the_limit_is_counted() -> None:
    assert not may_exceed(0, 10**9, 1)
    assert not may_exceed(10_240_000, 5_000, 1)
    assert may_exceed(10_240_000, 10_239_000, 1)
    assert may_exceed(100_000, 50_000, 50)
