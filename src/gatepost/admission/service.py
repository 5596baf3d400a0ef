"""The cleanup(8) of one service (smtpd, pickup, bounce ...): its parameters, tables and gates, which all its messages share."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from gatepost.admission.draft import Limits
from gatepost.admission.gates import Gates
from gatepost.admission.settings import CleanupSettings
from gatepost.admission.smtputf8 import detecting
from gatepost.admission.staging import SECTION_LIMIT
from gatepost.content.rules import Rules
from gatepost.events.records import Emit, Note, tell_fault
from gatepost.lookup.registry import Tables
from gatepost.mail.address import AS_LOGGED
from gatepost.mail.date import MailDates
from gatepost.queue.port import NewMessage
from gatepost.routing.routing import Routing


class CleanupService:
    """What stages and messages of a service have in common.

    `staging`: makes the name of a file for a large content, in a directory that can be written.
    `store`: makes a message durable and has it delivered; raises QueueUnavailable, and nothing was accepted then.
    `clock`: seconds since 1970.
    `gates`: who has a look at its messages; none: nobody has.
    `written`: how an address is logged.
    """

    def __init__(
        self,
        settings: CleanupSettings,
        routing: Routing,
        tables: Tables,
        *,
        staging: Callable[[], Path],
        store: Callable[[NewMessage], Awaitable[None]],
        clock: Callable[[], float],
        emit: Emit,
        gates: Gates | None = None,
    ) -> None:
        self.settings = settings
        self.routing = routing
        self.rules = Rules(settings, tables)
        self.written = AS_LOGGED[settings.info_log_address_format]
        self.staging = staging
        self.store = store
        self.clock = clock
        self.emit = emit
        self.dates = MailDates()
        self.detects_utf8 = detecting(settings.smtputf8_autodetect_classes, enabled=settings.smtputf8_enable)
        self.limits = Limits(settings.header_size_limit, SECTION_LIMIT, settings.message_size_limit)
        self.gates = gates or Gates((), tell_fault("cleanup", emit))

    def close_failed(self) -> None:
        """Say that the queue file was not completed, as it would have been too large."""
        self.emit(Note("cleanup", "mail_stream_cleanup: close error", "warning"))
