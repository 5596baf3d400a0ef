"""Notices to the postmaster about sessions in which something went wrong (`notify_classes`; smtpd(8))."""

import asyncio

from msgspec import Struct

from gatepost.events.records import Clock, Emit, Note
from gatepost.mail.content import MemoryContent
from gatepost.mail.date import MailDates
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.submission import QueueUnavailable, Submit

_NOTICES_AT_ONCE = 100
"""Notices being queued; more than these are not written, so that a flood of bad sessions stays one."""


class SessionNoticeSettings(Struct, frozen=True):
    """Whom such notices are from, and for."""

    myhostname: str
    myorigin: str
    double_bounce_sender: str
    error_notice_recipient: str


class SessionNotices:
    """The `report` of a service's Lookups. `submit`: the way in for notices."""

    def __init__(self, settings: SessionNoticeSettings, submit: Submit, clock: Clock, emit: Emit) -> None:
        self._settings = settings
        self._submit = submit
        self._clock = clock
        self._emit = emit
        self._date = MailDates()
        self._under_way: set[asyncio.Task[None]] = set()

    def __call__(self, subject: str, text: str, to: str = "") -> None:
        """Have a notice queued; the session does not wait for it. `to`: the address that it is for; empty: the postmaster."""
        if len(self._under_way) >= _NOTICES_AT_ONCE:
            return
        task = asyncio.get_running_loop().create_task(self._send(subject, text, to))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, subject: str, text: str, to: str) -> None:
        settings, recipient = self._settings, to or self._settings.error_notice_recipient
        sender = f"{settings.double_bounce_sender}@{settings.myhostname}"
        full = recipient if "@" in recipient else f"{recipient}@{settings.myorigin}"
        envelope = Envelope(
            sender,
            (Recipient(recipient, recipient, f"rfc822;{full}"),),
            attributes=(("log_message_origin", "local"), ("trace_flags", "0")),
        )
        head = (
            f"Date: {self._date(self._clock())}",
            f"From: Mail Delivery System <MAILER-DAEMON@{settings.myhostname}>",
            f"To: <{full}>" if to else f"To: Postmaster <{full}>",
            f"Subject: {subject}",
            "",
        )
        lines = "\r\n".join([*head, *text.removesuffix("\n").split("\n")]) + "\r\n"
        try:
            await self._submit(envelope, MemoryContent(lines.encode("utf-8", "surrogateescape")), origin="smtpd-notice")
        except QueueUnavailable as error:
            self._emit(Note("smtpd", f"postmaster notify: {error}", "warning"))
