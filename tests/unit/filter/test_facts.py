"""Facts and requests cross between processes as MessagePack, whole."""

import msgspec
import pytest

from gatepost.filter.archives.port import ArchiveFacts, Node, Unchecked
from gatepost.filter.bayes import port as bayes
from gatepost.filter.facts import Facts, Pending, Request, ScoredHit, Unexamined
from gatepost.filter.learner import port as learner
from gatepost.filter.names.questions import Lookups, Question
from gatepost.filter.port import Session

HIT = ScoredHit("SUBJECT_LOUD", 1.5, 2, ("multiple",), "header", "Loud subject", b"BUY \xff")


def test_facts_cross_whole() -> None:
    facts = Facts(
        hits=(HIT,),
        score=3.0,
        lookups=Lookups((Question("2.0.0.127.zen.example", "A"),)),
        pending=(Pending(ScoredHit("RCVD_IN_ZEN", 2.0)), Pending(ScoredHit("BOTH", 1.0), b"RCVD_IN_ZEN && SUBJECT_LOUD")),
        archives=ArchiveFacts((Node((b"a.exe",), types=("exe",), encrypted=True),), (Unchecked.ENCRYPTED,)),
        bayes=bayes.Opinion(0.99, b"lesson"),
        learner=learner.Opinion(0.9, 3.0, tokens=(learner.Weight("viagra", 2.0),)),
        unexamined=(Unexamined("rule", "SLOW", "time limit exceeded"),),
        seconds={"text": 0.25},
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=Facts) == facts


def test_requests_cross_whole() -> None:
    request = Request(Session("192.0.2.1", "mail.example", sender=None, recipients=("a@example.com",)), explain=True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=Request) == request


@pytest.mark.parametrize(
    "facts",
    [
        {"archives": {"nodes": [{}] * 100_001}},
        {"hits": [{"rule": ""}] * 50_001},
        {"pending": [{"hit": {"rule": ""}}] * 50_001},
        {"lookups": {"questions": [{"name": "", "record": ""}] * 10_001}},
        {"lookups": {"questions": [{"name": "", "record": "", "wants": [{"rule": "", "text": bytes(4097)}]}]}},
        {"faults": [""] * 1001},
        {"costs": {str(number): 0.0 for number in range(50_001)}},
    ],
)
def test_facts_are_no_more_than_any_message_has(facts: dict[str, object]) -> None:
    """An octet each would become a value of a hundred octets in the worker."""
    with pytest.raises(msgspec.ValidationError, match="length"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=Facts)
