"""What users of this machine write (command lines, messages, lists of recipients), and what workers ask of the agent."""

import io
import math
import socket
from typing import BinaryIO, cast

from gatepost.cli import sendmail_options
from gatepost.cli.command import Command, Fatal
from gatepost.deliver import listed, privileged
from gatepost.deliver.command import command_words, failure_of
from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.pipe_arguments import AddressFormat, UnknownMacro, expanded, recipient_values
from gatepost.deliver.pipe_attributes import PipeFault, pipe_attributes
from gatepost.mail import header
from gatepost.receive.local_submission import addresses, header_recipients
from gatepost.receive.unix_lines import LineEnds, wire_form
from gatepost.service.agent.agent import Stream
from tests.fuzz.pieces import fields, octets, same, text


class _Quiet:
    """A command whose complaints nobody reads."""

    program = "sendmail"

    def warn(self, told: str) -> None:
        octets(told)


def sendmail_words(data: bytes) -> None:
    """Any words are options, recipients or a complaint of ours."""
    words = list(map(text, data.split(b"\0")))
    options, operands, complaints = sendmail_options.scan(words)
    assert sum(len(letter + value) for letter, value in options) + sum(map(len, operands)) <= sum(map(len, words))
    try:
        found = sendmail_options.asked(cast(Command, _Quiet()), options, operands, [], "m")
    except Fatal as fatal:
        octets(str(fatal))
        return
    assert found.mode in "mpisdqh"
    assert all(complaint.isprintable() or not text(data).isprintable() for complaint in complaints)
    for one in found.recipients:
        assert all(octets(address) is address for address in addresses(one))


def sendmail_message(data: bytes) -> None:
    """The recipients of a message on standard input (-t) do not depend on how it is read; its content is in wire form."""

    def run(pieces: list[bytes]) -> tuple[list[str], bytes]:
        source = cast(BinaryIO, io.BufferedReader(_Pipe(pieces)))
        content = b"".join(wire_form(source, LineEnds.ALWAYS, dot_ends=True))
        return header_recipients(header.split(content).headers), content

    recipients, content = same(data, run)
    assert content.count(b"\n") == content.count(b"\r\n")
    assert sum(len(octets(one)) for one in recipients) <= 2 * len(content)


class _Pipe(io.RawIOBase):
    """A pipe that gives its octets as they were written to it."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        taken = min(len(piece), len(buffer))
        buffer[:taken] = piece[:taken]
        if piece[taken:]:
            self._pieces.insert(0, piece[taken:])
        return taken


def forward_file(data: bytes) -> None:
    """A .forward file or an :include: list: texts that are octets, of no more than was written, from one line each."""
    found = list(listed.words(data))
    assert sum(len(octets(word)) for word in found) <= 2 * len(data) + len(found)
    assert len(found) <= len(data)
    for word in found:
        path = listed.included(word)
        assert path is None or path in word
    assert found == [word for line in data.split(b"\n") for word in listed.words(line)]


def command_lines(data: bytes) -> None:
    """A command of a list is run by words of ours, or by a shell as one word; its output makes one line of a log."""
    line, shell, output = fields(data, 3)
    words = command_words(text(line), text(shell))
    assert words[-1] == text(line) or "".join(words) == text(line).translate(dict.fromkeys(map(ord, " \t\n\v\f\r")))
    for status in (-9, 0, 1, 67, 75, 255):
        outcome = failure_of("command", privileged.Done(output, status))
        assert (outcome is None) == (status == 0)
        assert outcome is None or octets(outcome.text).isprintable()


def pipe_service(data: bytes) -> None:
    """Attributes of a pipe(8) service, and its arguments: as many as it has, whatever is in an address."""
    address, original, rest = map(text, fields(data, 3))
    try:
        found = pipe_attributes(tuple(rest.split("\0")))
    except PipeFault as fault:
        octets(str(fault))
        return
    recipients = [recipient_values(address, original, AddressFormat(flags)) for flags in (found.flags, frozenset("qhu"))]
    try:
        argv = expanded(found.argv, {"sender": original, "size": "1"}, recipients)
    except UnknownMacro:
        return
    assert len(found.argv) <= len(argv) <= 2 * len(found.argv)
    for word in argv:
        octets(word)


def agent_stream(data: bytes) -> None:
    """Whatever a worker sends, the agent reads requests and contents out of it, or hangs up."""
    prefixed = b"".join(privileged.LENGTH.pack(len(one)) + one for one in data.split(b"\0\0"))
    for sent in (data, prefixed, privileged.LENGTH.pack(len(data)) + data + privileged.LENGTH.pack(0)):
        same(sent, _requests)


def _requests(pieces: list[bytes]) -> list[object]:
    stream = Stream(cast(socket.socket, _Socket(pieces)))
    found: list[object] = []
    try:
        while True:
            asked = stream.request()
            assert asked == asked or math.isnan(asked.until) or "nan" in repr(asked)
            found += repr(asked), b"".join(stream.body())
    except (EOFError, ValueError):
        return found


class _Socket:
    """A socket on which these pieces come in."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])

    def settimeout(self, seconds: float | None) -> None:
        assert seconds is None or seconds > 0

    def recv(self, count: int) -> bytes:
        return next(self._pieces, b"")


def agent_records(data: bytes) -> None:
    """What a worker asks, and what it is answered, comes over as it was; what is no answer is told as that."""
    path, word, name = map(text, fields(data, 3))
    plain = path.encode("utf-8", "replace").decode()
    box = Mailbox(plain, len(data), 1)
    command = privileged.RunCommand((word, name), 1, 1, 1.0, {"NAME": word}, plain)
    wanted = (
        privileged.WriteMaildir(box),
        privileged.WriteMbox(box, LockRules()),
        privileged.ReadFile(plain, 1, 2, plain),
        privileged.WriteMaildirs((privileged.Letter(box, data),)),
        privileged.on_the_wire(command),
    )
    for request in wanted:
        asked = privileged.requests.decode(privileged.encode(privileged.Asked(request, 1.0)))
        assert asked.request == request
    assert privileged.off_the_wire(privileged.on_the_wire(command)) == command
    for answer in ((0, privileged.Done(data)), (1, privileged.Failed("4.3.0", plain))):
        assert privileged._answers.decode(privileged.encode(answer)) == answer
    try:
        privileged._answers.decode(data)
    except ValueError:
        pass
