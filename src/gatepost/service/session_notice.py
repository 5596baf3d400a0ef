"""Notices to the postmaster about sessions in which something went wrong (`notify_classes`; smtpd(8))."""

import asyncio
from typing import TYPE_CHECKING

from gatepost.events.records import Emit, Note
from gatepost.mail.content import MemoryContent
from gatepost.mail.date import MailDates
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.submission import QueueUnavailable

if TYPE_CHECKING:
    from gatepost.service.house import House

_NOTICES_AT_ONCE = 100
"""Notices being queued; more than these are not written, so that a flood of bad sessions stays one."""


class SessionNotices:
    """The `report` of a service's Lookups. `recipient`: error_notice_recipient."""

    def __init__(self, house: "House", emit: Emit, recipient: str) -> None:
        self._house = house
        self._emit = emit
        self._recipient = recipient
        self._date = MailDates()
        self._under_way: set[asyncio.Task[None]] = set()

    def __call__(self, subject: str, text: str) -> None:
        """Have a notice queued; the session does not wait for it."""
        if len(self._under_way) >= _NOTICES_AT_ONCE:
            return
        task = asyncio.get_running_loop().create_task(self._send(subject, text))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, subject: str, text: str) -> None:
        house, recipient = self._house, self._recipient
        hostname = house.settings.myhostname
        sender = f"{house.configuration.value('double_bounce_sender')}@{hostname}"
        full = recipient if "@" in recipient else f"{recipient}@{house.configuration.value('myorigin')}"
        envelope = Envelope(
            sender,
            (Recipient(recipient, recipient, f"rfc822;{full}"),),
            attributes=(("log_message_origin", "local"), ("trace_flags", "0")),
        )
        head = (
            f"Date: {self._date(house.clock())}",
            f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>",
            f"To: Postmaster <{full}>",
            f"Subject: {subject}",
            "",
        )
        lines = "\r\n".join([*head, *text.removesuffix("\n").split("\n")]) + "\r\n"
        try:
            await house.notify(envelope, MemoryContent(lines.encode("utf-8", "surrogateescape")), origin="smtpd-notice")
        except QueueUnavailable as error:
            self._emit(Note("smtpd", f"postmaster notify: {error}", "warning"))
