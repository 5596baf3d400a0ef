"""What goes into a database comes back; what stands for no octet does not get in, and does not come out."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatepost.mail.address import is_octets
from gatepost.mail.envelope import Envelope, Recipient, TlsRequired
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, Step
from gatepost.queue import record

_ANY = st.text(st.characters())  # surrogates of every kind among them
_ENVELOPES = st.builds(Envelope, _ANY, st.lists(st.builds(Recipient, _ANY, _ANY, _ANY), max_size=2).map(tuple), envid=_ANY)


def _texts(envelope: Envelope) -> list[str]:
    return [envelope.sender, envelope.envid, *(text for r in envelope.recipients for text in (r.address, r.original, r.orcpt))]


@given(_ENVELOPES)
def test_an_envelope_of_octets_comes_back_and_no_other_is_stored(envelope: Envelope) -> None:
    if all(map(is_octets, _texts(envelope))):
        assert record.unpack(record.pack(envelope)) == envelope
    else:
        with pytest.raises(ValueError, match="no octet"):
            record.pack(envelope)


@pytest.mark.parametrize("text", ["\ud800@x.test", "\udc0a", "\udfff"])
def test_a_record_that_says_what_no_octet_stands_for_is_damaged(text: str) -> None:
    with pytest.raises(ValueError, match="no octet"):
        record.unpack(json.dumps({"sender": text}).encode("ascii"))


@pytest.mark.parametrize("address", ["a@x.test", "\udcff@x.test"], ids=["MessagePack", "JSON"])
def test_an_envelope_of_a_former_release_is_read_and_of_a_later_one_what_is_known(address: str) -> None:
    """A queue outlives an upgrade, and going back."""
    envelope = Envelope(address, (Recipient(address),), tls_required=TlsRequired.YES)
    data = record.pack(envelope)
    octets = data[:1] == b"m"
    fields = msgspec.msgpack.decode(data[1:]) if octets else json.loads(data)

    def read() -> Envelope:
        return record.unpack(b"m" + msgspec.msgpack.encode(fields) if octets else json.dumps(fields).encode("ascii"))

    fields["field_of_a_later_release"] = ["x"]
    assert read() == envelope
    del fields["tls_required"]
    assert read() == replace(envelope, tls_required=TlsRequired.BY_POLICY)


@given(_ANY)
def test_whatever_an_outcome_says_it_can_be_stored(text: str) -> None:
    said = Outcome(Class.TEMPORARY, "4.0.0", text, why=Reason(text, trace=(Step(text, text),)))
    outcome = record.unpack_outcome(record.pack_outcome(said))
    assert outcome.cls is Class.TEMPORARY
    assert is_octets(record.as_text(record.text_of(text)))


def test_an_outcome_comes_back_with_its_reason_and_one_of_a_former_release_without() -> None:
    outcome = Outcome(Class.PERMANENT, "5.1.1", "no", 550, Reason("r", "t", "k", "because", (Step("a", "dunno"),)))
    assert record.unpack_outcome(record.pack_outcome(outcome)) == outcome
    before = '{"cls":4,"enhanced":"4.1.1","text":"later","code":450,"reason":"private","remote_mta":"","diagnostic":"","origin":""}'
    assert record.unpack_outcome(before) == Outcome(Class.TEMPORARY, "4.1.1", "later", 450)
