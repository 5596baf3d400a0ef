"""smtp_header_checks and its kin: what an smtp or lmtp service changes in the messages that it sends (header_checks(5), smtp(8)).

Only actions that change text or write to the log are there: at this point a message is neither refused nor sent elsewhere.
Failure: LookupFailure where a table cannot answer, OSError where a long message cannot be put aside.
"""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from msgspec.structs import replace

from gatepost.deliver.port import DeliveryRequest
from gatepost.events.records import Emit, Note
from gatepost.lookup.registry import Tables
from gatepost.mail.content import CHUNK, Content, FileContent, MemoryContent
from gatepost.mail.header import Section, split
from gatepost.mail.mime import Place
from gatepost.receive.cleanup_body import BodyWalk
from gatepost.receive.cleanup_checks import Checks, Effects, Story
from gatepost.receive.cleanup_rules import CheckMaps, Rules
from gatepost.receive.cleanup_settings import CleanupSettings

if TYPE_CHECKING:
    from gatepost.service.house import House

LONGEST_HEADERS: Final = 16 * CHUNK
"""Octets of a header section that is looked at; a longer one stays as it is."""

_ACTIONS: Final = frozenset(("DUNNO", "OK", "IGNORE", "INFO", "PREPEND", "REPLACE", "STRIP", "WARN"))
_SHOWN: Final = 60
_LARGE: Final = 16 * CHUNK


class OutgoingChecks(Checks):
    """The checks of one message on its way out."""

    def __init__(self, maps: CheckMaps, queue_id: str, service: str, emit: Emit) -> None:
        super().__init__(maps, Story(queue_id, ""), Effects(checking=True), emit)
        self._queue_id = queue_id
        self._service = service

    def _act(self, kind: str, title: str, text: bytes, value: str) -> list[bytes] | None:
        if value.replace("\t", " ").partition(" ")[0].upper() in _ACTIONS:
            return super()._act(kind, title, text, value)
        self._warn(f"unsupported command in {title} map: {value}")
        return None

    def _judged(self, action: str, kind: str, text: bytes, argument: str, context: str) -> None:
        said = f"{action}: {kind} {text[:_SHOWN].decode('utf-8', 'surrogateescape')}"
        self._emit(Note(self._service, f"{said}: {argument}" if argument else said, queue_id=self._queue_id))

    def _warn(self, text: str) -> None:
        self._emit(Note(self._service, text, "warning"))


class OutgoingChecker:
    """What is checked of all messages of one service. `settings`: cleanup's, for how a body is walked; `staging`: a path in the
    folder where long messages are put aside."""

    def __init__(
        self, maps: CheckMaps, settings: CleanupSettings, tables: Tables, *, service: str, emit: Emit, staging: Callable[[], Path]
    ) -> None:
        self._maps = maps
        self._rules = Rules(_lenient(settings), tables)
        self._service = service
        self._emit = emit
        self._staging = staging
        self._walks = not (maps.mime.empty and maps.nested.empty and maps.body.empty)

    async def __call__(self, request: DeliveryRequest) -> DeliveryRequest:
        """The request with the message as the checks leave it. Raises LookupFailure and OSError."""
        message = request.message
        head = message.content.head(LONGEST_HEADERS)
        section = split(head)
        if not section.complete and message.content.size > len(head):
            return request
        checks = OutgoingChecks(self._maps, str(message.id), self._service, self._emit)
        aside: IO[bytes] | None = None
        if message.content.size > _LARGE:
            aside = tempfile.TemporaryFile(dir=self._staging().parent)  # noqa: SIM115 (the content keeps it open)
        written = _Written(aside)
        async for piece in self._pieces(checks, section, message.content):
            written.write(piece)
        return replace(request, message=replace(message, content=written.content()))

    async def _pieces(self, checks: OutgoingChecks, section: Section, content: Content) -> AsyncIterator[bytes]:
        """The octets of a content after its checks."""
        for header in section.headers:
            replaced = await checks.header(self._maps.judging(Place.PRIMARY, header.key), header.raw[:-2].replace(b"\r\n", b"\n"))
            if replaced is None:
                yield header.raw
            else:
                yield b"".join(line.replace(b"\n", b"\r\n") + b"\r\n" for line in replaced)
        rest = _from(content, section.end)
        if not self._walks:
            for chunk in rest:
                yield chunk
            return
        walk = BodyWalk(self._rules, checks, section.headers)
        for chunk in rest:
            yield b"".join(await walk.feed(chunk))
        yield b"".join(await walk.finish())


class _Written:
    """What was written: in memory, or in a file without a name, which is gone with the content that reads it."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._memory: list[bytes] = []
        self.write = self._memory.append if file is None else file.write

    def content(self) -> Content:
        if self._file is None:
            return MemoryContent(b"".join(self._memory))
        self._file.flush()
        return _UnnamedContent(self._file)


class _UnnamedContent(FileContent):
    """A content in an open file that has no name."""

    __slots__ = ("_file",)

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(Path(f"/proc/self/fd/{file.fileno()}"), file.tell())
        self._file = file


def _from(content: Content, start: int) -> Iterator[bytes]:
    """The octets of a content from `start` on."""
    skip = start
    for chunk in content.chunks():
        if skip < len(chunk):
            yield chunk[skip:] if skip else chunk
        skip = max(skip - len(chunk), 0)


def outgoing_checks(
    house: "House", overrides: Mapping[str, str], program: str, tables: Tables, emit: Emit
) -> OutgoingChecker | None:
    """The checks of an smtp or lmtp service; None where it has none."""
    names = (
        f"{program}_header_checks",
        f"{program}_mime_header_checks",
        f"{program}_nested_header_checks",
        f"{program}_body_checks",
    )
    maps = CheckMaps(*(tables.maps(house.configuration.value(name, overrides), name) for name in names))
    if not maps.any_header and maps.body.empty:
        return None
    settings = house.configuration.view(CleanupSettings)
    return OutgoingChecker(maps, settings, tables, service=program, emit=emit, staging=house.partitions.staging)


def _lenient(settings: CleanupSettings) -> CleanupSettings:
    """As bodies are walked on their way out: to the last line, and nothing is refused."""
    return replace(
        settings, receive_override_options="no_header_body_checks", body_checks_size_limit=0, message_reject_characters="",
        disable_mime_input_processing=False, strict_7bit_headers=False, strict_8bitmime=False, strict_8bitmime_body=False,
        strict_mime_encoding_domain=False,
    )  # fmt: skip
