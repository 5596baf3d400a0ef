"""What an MTA and a filter agree on before anything else (SMFIC_OPTNEG): the version of the protocol, what the filter may do, which
steps it wants to see, which of them it answers, and which macros it wants with them."""

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.milter.packets import NUL, Reader, packet

OPTION_NEGOTIATION = ord("O")


class Action(enum.IntFlag):
    """What a filter may do at the end of a message (SMFIF_*)."""

    ADD_HEADERS = 0x01
    REPLACE_BODY = 0x02
    ADD_RECIPIENT = 0x04
    DELETE_RECIPIENT = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    ADD_RECIPIENT_WITH_PARAMETERS = 0x80
    CHOOSE_MACROS = 0x100


class Step(enum.IntFlag):
    """Steps that a filter does not want (NO_*), steps that it does not answer (SILENT_*), and what else differs (SMFIP_*)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADERS = 0x40
    SILENT_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    """It may ask for no more of what it is being told."""
    REJECTED_RECIPIENTS = 0x800
    """It wants recipients, too, that others have refused."""
    SILENT_CONNECT = 0x1000
    SILENT_HELO = 0x2000
    SILENT_MAIL = 0x4000
    SILENT_RCPT = 0x8000
    SILENT_DATA = 0x10000
    SILENT_UNKNOWN = 0x20000
    SILENT_END_OF_HEADERS = 0x40000
    SILENT_BODY = 0x80000
    LEADING_SPACE = 0x100000
    """Values of headers go over with the blanks that stand before them."""


class MacroStage(enum.IntEnum):
    """The steps that have macros of their own (SMFIM_*)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    END_OF_MESSAGE = 5
    END_OF_HEADERS = 6


class Options(Struct, frozen=True):
    """What one side can do, or what both have agreed on.

    `version`: of the protocol;
    `actions`, `steps`: see there;
    `macros`: the names that the filter has chosen for a step, in place of those of the configuration.
    """

    version: int
    actions: Action
    steps: Step
    macros: Mapping[MacroStage, tuple[str, ...]] = MappingProxyType({})


_ACTIONS = Action(0x1FF)
_STEPS = Step(0x1FFFFF)
_STEPS_2 = Step(0x7F)

OFFERS = {
    2: Options(2, _ACTIONS, _STEPS_2),
    3: Options(3, _ACTIONS, _STEPS_2 | Step.NO_UNKNOWN),
    4: Options(4, _ACTIONS, _STEPS_2 | Step.NO_UNKNOWN | Step.NO_DATA),
    6: Options(6, _ACTIONS, _STEPS),
}
"""What we can do, by the version that `milter_protocol` names. The actions are the same for all, as Postfix has it: a filter of an
older version does not take what it does not know."""


class Negotiation(Exchange[Options]):
    """What we offer, and what the filter takes of it. Not to be asked twice: a filter has one for each connection."""

    idempotent = False

    def __init__(self, offer: Options) -> None:
        self._offer = offer
        self._reader = Reader()

    def question(self) -> Iterable[bytes]:
        offer = self._offer
        numbers = (offer.version, int(offer.actions), int(offer.steps))
        return (packet(OPTION_NEGOTIATION, b"".join([number.to_bytes(4, "big") for number in numbers])),)

    def feed(self, octets: bytes) -> bytes:
        packets = self._reader.feed(octets)
        if packets:
            letter, data = packets[0]
            if letter != OPTION_NEGOTIATION:
                raise ProtocolError(f"answer {chr(letter)!r} to the offer of options")
            self.finish(agreement(self._offer, data), reusable=len(packets) == 1 and not self._reader.pending)
        return b""


def agreement(offer: Options, data: bytes) -> Options:
    """What a filter has chosen of `offer`. Raises ProtocolError where it asks for an action that was not offered, as mail would
    then pass a filter that cannot do its work. Steps that were not offered are taken as it says: what it does not answer it will
    not answer, and those that nobody here knows mean nothing."""
    if len(data) < 12:
        raise ProtocolError("an answer to the offer of options that is too short")
    version, actions, steps = (int.from_bytes(data[at : at + 4], "big") for at in (0, 4, 8))
    if not 0 < version <= offer.version:
        raise ProtocolError(f"version {version} of the protocol, which was not offered")
    if more := actions & ~int(offer.actions):
        raise ProtocolError(f"actions {more:#x}, which were not offered")
    chosen = Action(actions)
    return Options(version, chosen, Step(steps & _STEPS), _macros(data[12:]) if Action.CHOOSE_MACROS & offer.actions else {})


def _macros(data: bytes) -> dict[MacroStage, tuple[str, ...]]:
    """(step, names) and so on: a number of four octets, and a string. Steps that are not known have no macros."""
    if len(data) > _MACROS_LIMIT:
        raise ProtocolError(f"lists of macros of more than {_MACROS_LIMIT} octets")
    known = {int(stage): stage for stage in MacroStage}
    macros: dict[MacroStage, tuple[str, ...]] = {}
    while data:
        text, nul, rest = data[4:].partition(NUL)
        if not nul:
            raise ProtocolError("a list of macros without end")
        if (stage := known.get(int.from_bytes(data[:4], "big"))) is not None:
            macros[stage] = tuple(text.decode("ascii", "replace").replace(",", " ").split())
        data = rest
    return macros


_MACROS_LIMIT = 8192
"""Octets of the macros that a filter asks for: all that there are have 400, and each is looked up at each command."""
