"""A session with a filter, as an MTA leads it: which commands the filter is told, and which of them it answers.

    conversation = Conversation(options)               # what both have agreed on
    exchange = conversation.step(HELO, commands.helo("client.example"), macros)

An exchange is None where the filter does not want the step, or does not answer it: what it is told without an answer goes over
with the next question, so that it costs no round trip.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.milter import answers, commands
from gatepost.proto.milter.answers import PROGRESS, Answer, Edit, Verdict
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

_SINCE = {commands.UNKNOWN: 3, commands.DATA: 4}
"""The version of the protocol that a command came with; a filter of an older one is not told."""

_HELD_LIMIT = 65536
"""Octets of unanswered commands that are kept for the next question."""


class Conversation:
    """One session. `options`: what was agreed on."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._held: list[bytes] = []

    def wants(self, command: int) -> bool:
        """Whether the filter is told of a command at all."""
        return not self.options.steps & _RULES[command].unwanted and self.options.version >= _SINCE.get(command, 2)

    def answers(self, command: int) -> bool:
        """Whether it says something to it."""
        return not self.options.steps & _RULES[command].silent

    def wants_rejected(self) -> bool:
        """Whether it wants recipients, too, that others have refused."""
        return bool(self.options.steps & Step.REJECTED_RECIPIENTS)

    def macro_names(self, command: int, configured: tuple[str, ...]) -> tuple[str, ...]:
        """The macros that go with a command: what the filter has chosen, else what is configured."""
        stage = _RULES[command].macros
        return configured if stage is None else self.options.macros.get(stage, configured)

    def step(self, command: int, packet: bytes, macros: Mapping[str, str] | None = None) -> "Ask | None":
        """One command. `macros`: those that have a value."""
        if not self.wants(command):
            return None
        if macros:
            self._held.append(commands.macros(command, macros))
        self._held.append(packet)
        return Ask(self._taken()) if self.answers(command) else None

    def header(self, raw: bytes) -> "Ask | None":
        """A header as it stands in the message."""
        leading_space = bool(self.options.steps & Step.LEADING_SPACE)
        return self.step(commands.HEADER, commands.header(raw, leading_space=leading_space))

    def end_of_message(self, macros: Mapping[str, str] | None = None) -> "Ask":
        """The end of the message, which every filter answers, with edits before its verdict."""
        if macros:
            self._held.append(commands.macros(commands.END_OF_MESSAGE, macros))
        return Ask((*self._taken(), commands.END_OF_MESSAGE_PACKET), edits=True)

    @property
    def held(self) -> bool:
        """Whether so much waits for the next question that it should go over now."""
        return sum(map(len, self._held)) > _HELD_LIMIT

    def tell(self) -> "Tell":
        """What has waited goes over now; nothing is answered."""
        return Tell(self._taken())

    def abort(self) -> "Tell":
        """The message is over, whatever of it has been told."""
        return Tell((*self._taken(), commands.ABORT))

    def quit(self) -> "Tell":
        """The session is over. What the filter has not been told by now it need not know."""
        self._held.clear()
        return Tell((commands.QUIT,))

    def _taken(self) -> tuple[bytes, ...]:
        held = tuple(self._held)
        self._held.clear()
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


class Ask(Exchange[Answer]):
    """Commands, the last of which has an answer. `edits`: edits may come before it, as at the end of a message."""

    idempotent = False

    def __init__(self, packets: tuple[bytes, ...], *, edits: bool = False) -> None:
        self._packets = packets
        self._reader = Reader()
        self._edits: list[Edit] | None = [] if edits else None

    def question(self) -> Iterator[bytes]:
        yield b"".join(self._packets)

    def feed(self, octets: bytes) -> bytes:
        packets = self._reader.feed(octets)
        for at, packet in enumerate(packets):
            if self._take(packet):
                self.reusable = at == len(packets) - 1 and not self._reader.pending
                break
        return b""

    def _take(self, packet: Packet) -> bool:
        """Whether that was the last packet of the answer."""
        if packet[0] == PROGRESS:
            return False
        verdict = answers.verdict(packet)
        if verdict is not None:
            self.finish(Answer(verdict.verdict, verdict.reply, tuple(self._edits or ())))
            return True
        if self._edits is None:
            raise ProtocolError(f"answer {chr(packet[0])!r} before the end of the message")
        self._edits.append(answers.edit(packet))
        return False


PROCEEDS = frozenset({Verdict.CONTINUE, Verdict.SKIP})
"""Verdicts after which the message goes on as if nothing had been said."""
