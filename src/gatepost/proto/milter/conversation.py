"""A session with a filter, as an MTA leads it: which commands the filter is told, and which of them it answers.

    conversation = Conversation(options)               # what both have agreed on
    exchange = conversation.step(HELO, commands.helo("client.example"), macros)

An exchange is None where the filter does not want the step, or does not answer it: what it is told without an answer goes over
with the next question, so that it costs no round trip.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.milter import answers, commands
from gatepost.proto.milter.answers import CONTINUES, CONTINUES_PACKET, PROGRESS, Answer, BodyPiece, Edit
from gatepost.proto.milter.negotiation import MacroStage, Options, Step
from gatepost.proto.milter.packets import Packet, Reader


class _Rule(Struct, frozen=True):
    """What is agreed on for a command. `unwanted`: the filter does not want it; `silent`: it does not answer it; `macros`: which it
    gets before it, None for none."""

    unwanted: Step = Step(0)
    silent: Step = Step(0)
    macros: MacroStage | None = None


_RULES = {
    commands.CONNECT: _Rule(Step.NO_CONNECT, Step.SILENT_CONNECT, MacroStage.CONNECT),
    commands.HELO: _Rule(Step.NO_HELO, Step.SILENT_HELO, MacroStage.HELO),
    commands.MAIL: _Rule(Step.NO_MAIL, Step.SILENT_MAIL, MacroStage.MAIL),
    commands.RCPT: _Rule(Step.NO_RCPT, Step.SILENT_RCPT, MacroStage.RCPT),
    commands.DATA: _Rule(Step.NO_DATA, Step.SILENT_DATA, MacroStage.DATA),
    commands.UNKNOWN: _Rule(Step.NO_UNKNOWN, Step.SILENT_UNKNOWN),
    commands.HEADER: _Rule(Step.NO_HEADERS, Step.SILENT_HEADER),
    commands.END_OF_HEADERS: _Rule(Step.NO_END_OF_HEADERS, Step.SILENT_END_OF_HEADERS, MacroStage.END_OF_HEADERS),
    commands.BODY: _Rule(Step.NO_BODY, Step.SILENT_BODY),
    commands.END_OF_MESSAGE: _Rule(macros=MacroStage.END_OF_MESSAGE),
}

# The operators of enum.Flag are written in Python, and each step asks twice.
_UNWANTED = {command: int(rule.unwanted) for command, rule in _RULES.items()}
_SILENT = {command: int(rule.silent) for command, rule in _RULES.items()}

_LEADING_SPACE = int(Step.LEADING_SPACE)

_SINCE = {commands.UNKNOWN: 3, commands.DATA: 4}
"""The version of the protocol that a command came with; a filter of an older one is not told."""

MOST_EDITS = 5000
EDITS_LIMIT = 16_777_216
"""Octets of edits that are kept for one message; pieces of a body are others' to bound."""

MOST_SIGNS = 10_000
"""How often a filter may say that it is still at work on one question."""

_HELD_LIMIT = 65536
"""Octets of unanswered commands that are kept for the next question."""


class Conversation:
    """One session. `options`: what was agreed on."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._steps = int(options.steps)
        self._held: list[bytes] = []
        self._octets = 0

    def knows(self, command: int) -> bool:
        """Whether its version of the protocol has the command."""
        return self.options.version >= _SINCE.get(command, 0)

    def wants(self, command: int) -> bool:
        """Whether the filter is told of a command at all."""
        return not self._steps & _UNWANTED[command] and self.knows(command)

    def answers(self, command: int) -> bool:
        """Whether it says something to it."""
        return not self._steps & _SILENT[command]

    def wants_rejected(self) -> bool:
        """Whether it wants recipients, too, that others have refused."""
        return bool(self.options.steps & Step.REJECTED_RECIPIENTS)

    @property
    def verbatim(self) -> bool:
        """Whether values of headers have the blanks that stand before them, in both directions."""
        return bool(self._steps & _LEADING_SPACE)

    def macro_names(self, command: int, configured: tuple[str, ...]) -> tuple[str, ...]:
        """The macros that go with a command: what the filter has chosen, else what is configured."""
        stage = _RULES[command].macros
        return configured if stage is None else self.options.macros.get(stage, configured)

    def step(self, command: int, packet: bytes, macros: Mapping[str, str] | None = None) -> "Ask | None":
        """One command. `macros`: those that have a value; None: none go with it. They are told where the command itself is not
        wanted, too: filters ask for them later (smfi_getsymval)."""
        if macros is not None:
            self._hold(commands.macros(command, macros))
        if not self.wants(command):
            return None
        self._hold(packet)
        return Ask(self._taken()) if self.answers(command) else None

    def header(self, raw: bytes, macros: bytes = b"") -> "Ask | None":
        """A header as it stands in the message. `macros`: their packet, which is the same for all headers."""
        return self.step(commands.HEADER, macros + commands.header(raw, leading_space=self.verbatim))

    def end_of_message(self, macros: Mapping[str, str] | None = None, edits: "Edits | None" = None) -> "Ask":
        """The end of the message, which every filter answers, with edits before its verdict. `edits`: takes those."""
        if macros is not None:
            self._hold(commands.macros(commands.END_OF_MESSAGE, macros))
        return Ask((*self._taken(), commands.END_OF_MESSAGE_PACKET), edits=edits or Edits())

    @property
    def held(self) -> bool:
        """Whether so much waits for the next question that it should go over now."""
        return self._octets > _HELD_LIMIT

    def tell(self) -> "Tell":
        """What has waited goes over now; nothing is answered."""
        return Tell(self._taken())

    def abort(self) -> bytes:
        """The message is over: what to say to that. What the filter has not been told by now it need not know."""
        self._taken()
        return commands.ABORT

    def _hold(self, packet: bytes) -> None:
        self._held.append(packet)
        self._octets += len(packet)

    def _taken(self) -> tuple[bytes, ...]:
        held = tuple(self._held)
        self._held.clear()
        self._octets = 0
        return held


class Tell(Exchange[None]):
    """What has no answer: done before it begins."""

    idempotent = False

    def __init__(self, packets: tuple[bytes, ...]) -> None:
        self._packets = packets

    def question(self) -> Iterable[bytes]:
        yield b"".join(self._packets)
        self.finish(None)

    def feed(self, octets: bytes) -> bytes:
        raise ProtocolError("an answer to no question")


class Edits:
    """What a filter wants changed. `body`: takes the pieces of another body, which are not kept here; raises ProtocolError where
    there are too many. `listed`: all else, in order."""

    __slots__ = ("_octets", "body", "listed")

    def __init__(self, body: Callable[[bytes], None] | None = None) -> None:
        self.listed: list[Edit] = []
        self.body = body
        self._octets = 0

    def add(self, edit: Edit, octets: int) -> None:
        """One more, of so many octets. Raises ProtocolError."""
        if self.body is not None and isinstance(edit, BodyPiece):
            self.body(edit.octets)
            return
        self._octets += octets
        if len(self.listed) >= MOST_EDITS or self._octets > EDITS_LIMIT:
            raise ProtocolError(f"more than {MOST_EDITS} edits, or {EDITS_LIMIT} octets of them")
        self.listed.append(edit)


class Ask(Exchange[Answer]):
    """Commands, the last of which has an answer. `edits`: takes those that may come before it, at the end of a message."""

    idempotent = False

    def __init__(self, packets: tuple[bytes, ...], *, edits: Edits | None = None) -> None:
        self._packets = packets
        self._reader: Reader | None = None
        self._edits = edits
        self._signs = 0

    def question(self) -> Iterator[bytes]:
        yield b"".join(self._packets)

    def feed(self, octets: bytes) -> bytes:
        reader = self._reader
        if reader is None:
            if octets == CONTINUES_PACKET:
                self.finish(CONTINUES)
                return b""
            reader = self._reader = Reader()
        packets = reader.feed(octets)
        for at, packet in enumerate(packets):
            if self._take(packet):
                self.reusable = at == len(packets) - 1 and not reader.pending
                return b""
        reader.check()
        return b""

    def _take(self, packet: Packet) -> bool:
        """Whether that was the last packet of the answer."""
        letter, data = packet
        if letter == PROGRESS:
            self._signs += 1
            if self._signs > MOST_SIGNS:
                raise ProtocolError("progress without end")
            self.renewed = True
            return False
        verdict = answers.verdict(packet)
        if verdict is not None:
            self.finish(Answer(verdict.verdict, verdict.reply, tuple(self._edits.listed) if self._edits is not None else ()))
            return True
        if self._edits is None:
            raise ProtocolError(f"answer {chr(letter)!r} before the end of the message")
        self._edits.add(answers.edit(packet), len(data))
        return False
