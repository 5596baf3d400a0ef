"""The options that both sides agree on."""

import pytest

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.milter.negotiation import OFFERS, Action, MacroStage, Negotiation, Options, Step
from gatepost.proto.milter.packets import packet


def options(version: int, actions: int, steps: int, more: bytes = b"") -> bytes:
    return packet(ord("O"), b"".join(number.to_bytes(4, "big") for number in (version, actions, steps)) + more)


def negotiate(offer: Options, answer: bytes) -> Options:
    negotiation = Negotiation(offer)
    negotiation.feed(answer)
    assert negotiation.done
    return negotiation.answer


@pytest.mark.parametrize(
    ("version", "numbers"), [(2, (2, 0x1FF, 0x7F)), (3, (3, 0x1FF, 0x17F)), (4, (4, 0x1FF, 0x37F)), (6, (6, 0x1FF, 0x1FFFFF))]
)
def test_an_offer_has_the_steps_of_the_version_and_all_actions(version: int, numbers: tuple[int, int, int]) -> None:
    assert b"".join(Negotiation(OFFERS[version]).question()) == options(*numbers)


def test_a_filter_takes_less() -> None:
    agreed = negotiate(OFFERS[6], options(4, 0x11, 0x281))
    assert agreed == Options(4, Action.ADD_HEADERS | Action.CHANGE_HEADERS, Step.NO_CONNECT | Step.SILENT_HEADER | Step.NO_DATA)


def test_a_filter_chooses_its_macros_by_step() -> None:
    lists = b"\0\0\0\3j,{rcpt_addr}  i\0" + b"\0\0\0\1\0" + b"\0\0\1\0x\0"
    agreed = negotiate(OFFERS[6], options(6, 0, 0, lists))
    assert agreed.macros == {MacroStage.RCPT: ("j", "{rcpt_addr}", "i"), MacroStage.HELO: ()}


@pytest.mark.parametrize(
    "answer",
    [
        packet(ord("c")),
        packet(ord("O"), b"\0\0\0\6"),
        options(7, 0, 0),
        options(0, 0, 0),
        options(6, 0x200, 0),
        options(6, 0, 0, b"\0\0\0\1abc"),
        options(6, 0, 0, b"\0\0\0\1" + b"i " * 5000 + b"\0"),
    ],
    ids=["no options", "too short", "newer", "version 0", "unknown action", "macros without end", "thousands of macros"],
)
def test_what_was_not_offered_is_no_agreement(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        Negotiation(OFFERS[6]).feed(answer)


def test_steps_are_taken_as_a_filter_says() -> None:
    """Those that it does not answer it will not answer, offered or not; those that nobody knows mean nothing."""
    assert negotiate(OFFERS[2], options(2, 0, 0x10000080)).steps == Step.SILENT_HEADER


def test_more_than_an_answer_leaves_the_connection_unfit() -> None:
    negotiation = Negotiation(OFFERS[6])
    negotiation.feed(options(6, 0, 0) + packet(ord("c")))
    assert not negotiation.reusable
