"""smtp_header_checks and its kin: what an smtp or lmtp service changes in the messages that it sends (header_checks(5), smtp(8)).

Only actions that change text or write to the log are there: at this point a message is neither refused nor sent elsewhere.
Failure: LookupFailure where a table cannot answer, OSError where a long message cannot be put aside.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from gatepost.content.aside import Aside
from gatepost.content.body import BodyRules, BodyWalk
from gatepost.content.check_maps import CheckMaps
from gatepost.content.checks import Checks, Effects, LogContext
from gatepost.events.notes import CheckUnusable
from gatepost.events.records import Emit, Judged
from gatepost.mail.ascii_text import upper
from gatepost.mail.content import Content
from gatepost.mail.header import Header
from gatepost.mail.header_reader import HeaderReader
from gatepost.mail.mime import Limits, Place
from gatepost.net.turns import Turns

_ACTIONS: Final = frozenset(("DUNNO", "OK", "IGNORE", "INFO", "PREPEND", "REPLACE", "STRIP", "WARN"))
_SHOWN: Final = 60


class _MessageChecks(Checks):
    """The checks of one message on its way out."""

    def __init__(self, maps: CheckMaps, queue_id: str, service: str, emit: Emit) -> None:
        super().__init__(maps, LogContext(queue_id, ""), Effects(checking=True), emit)
        self._queue_id = queue_id
        self._service = service

    def _act(self, kind: str, title: str, text: bytes, value: str) -> list[bytes] | None:
        if upper(value.replace("\t", " ").partition(" ")[0]) in _ACTIONS:
            return super()._act(kind, title, text, value)
        self._warn(title, f"unsupported command in {title} map: {value}")
        return None

    def _judged(self, action: str, kind: str, text: bytes, argument: str, context: str) -> None:
        where = f"{kind} {text[:_SHOWN].decode('utf-8', 'surrogateescape')}"
        self._emit(Judged(self._service, self._queue_id, action, where, "", argument, "", self._why))

    def _warn(self, title: str, text: str) -> None:
        self._emit(CheckUnusable(self._service, title, text))


class OutgoingChecks:
    """What is checked of all messages of one service. `service`: its program, for the log; `limits`: of the walk through a body;
    `staging`: see `Aside`."""

    def __init__(self, maps: CheckMaps, *, limits: Limits, service: str, emit: Emit, staging: Callable[[], Path]) -> None:
        self._maps = maps
        self._body = BodyRules(limits)
        self._service = service
        self._emit = emit
        self._staging = staging
        self._walks = not (maps.mime.empty and maps.nested.empty and maps.body.empty)

    async def __call__(self, content: Content, queue_id: str) -> Content:
        """The content as the checks leave it; `queue_id`: for the log. Raises LookupFailure and OSError."""
        checks = _MessageChecks(self._maps, queue_id, self._service, self._emit)
        aside = Aside(self._staging)
        async for piece in self._pieces(checks, content):
            aside.write(piece)
        return aside.content()

    async def _pieces(self, checks: Checks, content: Content) -> AsyncIterator[bytes]:
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
        walk = BodyWalk(self._body, checks, about_mime)
        for chunk in reader.rest:
            yield b"".join(await walk.feed(chunk))
        yield b"".join(await walk.finish())

    async def _header(self, checks: Checks, header: Header) -> bytes:
        replaced = await checks.header(self._maps.judging(Place.PRIMARY, header.key), header.raw[:-2].replace(b"\r\n", b"\n"))
        if replaced is None:
            return header.raw
        return b"".join(line.replace(b"\n", b"\r\n") + b"\r\n" for line in replaced)
