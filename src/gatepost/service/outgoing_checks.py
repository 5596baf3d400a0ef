"""smtp_header_checks and its kin: what an smtp or lmtp service changes in the messages that it sends (header_checks(5), smtp(8)).

Only actions that change text or write to the log are there: at this point a message is neither refused nor sent elsewhere.
Failure: LookupFailure where a table cannot answer, OSError where a long message cannot be put aside.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gatepost.content.aside import Aside
from gatepost.content.body import BodyWalk
from gatepost.content.checks import Checks, Effects, LogContext
from gatepost.content.rules import CheckMaps, Rules
from gatepost.events.records import Emit, Note
from gatepost.lookup.registry import Tables
from gatepost.mail.ascii_text import upper
from gatepost.mail.content import Content
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.header import Header
from gatepost.mail.header_reader import HeaderReader
from gatepost.mail.mime import Place
from gatepost.net.turns import Turns
from gatepost.receive.cleanup_settings import CleanupSettings

if TYPE_CHECKING:
    from gatepost.service.house import House

_ACTIONS: Final = frozenset(("DUNNO", "OK", "IGNORE", "INFO", "PREPEND", "REPLACE", "STRIP", "WARN"))
_SHOWN: Final = 60


class OutgoingChecks(Checks):
    """The checks of one message on its way out."""

    def __init__(self, maps: CheckMaps, queue_id: str, service: str, emit: Emit) -> None:
        super().__init__(maps, LogContext(queue_id, ""), Effects(checking=True), emit)
        self._queue_id = queue_id
        self._service = service

    def _act(self, kind: str, title: str, text: bytes, value: str) -> list[bytes] | None:
        if upper(value.replace("\t", " ").partition(" ")[0]) in _ACTIONS:
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
        checks = OutgoingChecks(self._maps, str(message.id), self._service, self._emit)
        aside = Aside(self._staging)
        async for piece in self._pieces(checks, message.content):
            aside.write(piece)
        return replace(request, message=replace(message, content=aside.content()))

    async def _pieces(self, checks: OutgoingChecks, content: Content) -> AsyncIterator[bytes]:
        """The octets of a content after its checks."""
        reader = HeaderReader(content.chunks())
        about_mime: list[Header] = []
        turns = Turns()
        for headers in reader:
            about_mime += [header for header in headers if header.key.startswith("content-")]
            for header in headers:
                if turns.over():
                    await turns.rest()
                yield await self._header(checks, header)
        if not self._walks:
            for chunk in reader.rest:
                yield chunk
            return
        walk = BodyWalk(self._rules, checks, about_mime)
        for chunk in reader.rest:
            yield b"".join(await walk.feed(chunk))
        yield b"".join(await walk.finish())

    async def _header(self, checks: OutgoingChecks, header: Header) -> bytes:
        replaced = await checks.header(self._maps.judging(Place.PRIMARY, header.key), header.raw[:-2].replace(b"\r\n", b"\n"))
        if replaced is None:
            return header.raw
        return b"".join(line.replace(b"\n", b"\r\n") + b"\r\n" for line in replaced)


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
