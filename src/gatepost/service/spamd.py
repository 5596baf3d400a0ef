"""`spamd` lines of master.cf: what our own filter makes of messages, for spamc(1) and other clients of SpamAssassin's spamd."""

import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from gatepost import __version__
from gatepost.config.configuration import ConfigurationError
from gatepost.config.master import ServiceEntry
from gatepost.events.records import Note
from gatepost.filter.contents import contents
from gatepost.filter.facts import Request
from gatepost.filter.inspection import Names
from gatepost.filter.policy import points_of
from gatepost.filter.port import Session
from gatepost.filter.scanning import Scanning
from gatepost.filter.spamassassin_marks import Hit, Scored
from gatepost.lookup.match_list import MatchList
from gatepost.mail.content import MemoryContent
from gatepost.net.tls import ServerTls
from gatepost.net.tls_parameters import TlsFailure
from gatepost.receive.session_limit import SessionLimit
from gatepost.receive.spamd import AWAY, SpamdPorts, SpamdServer
from gatepost.receive.stream_service import StreamService
from gatepost.service.filter_names import asked_names
from gatepost.service.filter_settings import SPAM_LEVEL, level_fault
from gatepost.service.materials import Materials
from gatepost.service.scanner.client import SCANNER_SOCKET, ScannerClient
from gatepost.service.ways import WayIn

_HELD: Final = 1 << 26
"""Octets of all messages that a service keeps; one of the largest size has room always."""


class SpamdSettings(Struct, frozen=True):
    """Parameters of a spamd service."""

    filter_time_limit: int
    message_size_limit: int
    myhostname: str
    mynetworks: str
    queue_directory: str


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> StreamService:
    """The service of one spamd line. Raises ConfigurationError."""
    configuration, overrides, emit = materials.configuration, entry.overrides, materials.emitter(entry)
    settings = configuration.view(SpamdSettings, overrides)
    if fault := level_fault(configuration, overrides, SPAM_LEVEL):
        raise ConfigurationError((fault,))
    required = points_of(configuration.value(SPAM_LEVEL, overrides))
    tables = materials.tables("spamd", emit, overrides)
    scanner = ScannerClient(Path(settings.queue_directory) / SCANNER_SOCKET, settings.filter_time_limit)
    scorer = Scorer(scanner, asked_names(materials, overrides), required, settings.myhostname)
    ports = SpamdPorts(
        authorized=MatchList.hosts(settings.mynetworks, tables, "mynetworks", tables.warn).matches,
        score=scorer.score,
        emit=emit,
        clock=time.monotonic,
        fault=materials.fault,
    )
    most = settings.message_size_limit or _HELD
    server = SpamdServer(ports, most, settings.filter_time_limit, max(_HELD, 2 * most))

    def turned_away(address: str) -> None:
        emit(Note("spamd", f"connection from {address} refused: all ports busy", "warning"))

    return StreamService(server.serve, limit, turned_away, AWAY.answer)


class Scorer:
    """Says what a message scores. `names`: who asks the DNS, None where nobody does; `required`: points from which on it is spam;
    `host`: ours."""

    def __init__(self, scanning: Scanning, names: Names | None, required: float, host: str) -> None:
        self._scanning = scanning
        self._names = names
        self._required = required
        self._host = host

    async def score(self, message: bytes) -> Scored:
        """Nothing is known of its client and its envelope. Raises ScanFailed."""
        request = Request(Session(received_at=time.time()), attachments=False)
        facts = await self._scanning.scan(request, MemoryContent(message))
        answers = await self._names.answers(facts) if self._names is not None and facts.lookups.questions else ()
        found = contents(facts, answers, None)
        known = {hit.rule: hit for hit in (*facts.hits, *answers)}
        tests = (
            Hit(one.rule, one.score, hit.kind, hit.description) if (hit := known.get(one.rule)) else Hit(one.rule, one.score)
            for one in found.tests
        )
        return Scored(found.score, self._required, tuple(tests), self._host, __version__)
