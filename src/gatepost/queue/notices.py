"""Notices: what the sender and the postmaster are told of mail that was returned, is late, or was delivered (bounce(8)).

Nobody is told twice of the same trouble: mail from nobody (a notice) that cannot be delivered goes to the postmaster, and what
cannot be delivered to the postmaster is dropped.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from gatepost.events.records import Clock, Emit, Note, Notified
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Notify, Recipient
from gatepost.queue.notice_message import MailSystem, Notice, compose
from gatepost.queue.notice_templates import Expand, Template, expanded, load
from gatepost.queue.port import ActiveMessage, Failure, Submit


class NoticeSettings(Struct, frozen=True, kw_only=True):
    """Parameters of bounce(8); times are seconds."""

    myhostname: str
    mydomain: str
    mail_name: str
    double_bounce_sender: str
    double_bounce_recipient: str = msgspec.field(name="2bounce_notice_recipient")
    bounce_notice_recipient: str
    delay_notice_recipient: str
    notify_classes: str
    bounce_size_limit: int
    bounce_template_file: str
    enable_threaded_bounces: bool
    smtputf8_enable: bool
    delay_warning_time: int
    maximal_queue_lifetime: int


class Kind(Struct, frozen=True):
    """What tells one kind of notice from another. `template`: its name; `log`: Postfix's word; `wanted`: the flag by which a
    recipient's sender asks for it; `original`: how the returned part is called; `classes`: (of a copy to the postmaster, of a
    notice about mail from nobody) in notify_classes; `headers_only`: never the whole original."""

    template: str
    log: str
    wanted: Notify
    original: str = "Undelivered Message"
    classes: tuple[str, str] = ("", "")
    headers_only: bool = True


FAILURE = Kind("failure", "non-delivery", Notify.FAILURE, classes=("bounce", "2bounce"), headers_only=False)
DELAY = Kind("delay", "delay", Notify.DELAY, classes=("delay", "delay"))
SUCCESS = Kind("success", "delivery status", Notify.SUCCESS, "Message")


class Notices:
    """The Notifier port. `expand` replaces the `$names` of templates (Configuration.expand)."""

    def __init__(self, settings: NoticeSettings, submit: Submit, emit: Emit, clock: Clock, expand: Expand) -> None:
        self._settings = settings
        self._submit = submit
        self._emit = emit
        self._clock = clock
        self._expand = expand
        self._classes = frozenset(settings.notify_classes.replace(",", " ").lower().split())
        self._double_bounce = f"{settings.double_bounce_sender}@{settings.myhostname}"
        self._system = MailSystem(
            settings.myhostname, settings.mail_name, settings.maximal_queue_lifetime, settings.bounce_size_limit
        )
        self._templates = load(settings.bounce_template_file, self._warn)

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Non-delivery. Raises QueueUnavailable and OSError, as all of these do."""
        await self._tell(FAILURE, message, failures, self._settings.bounce_notice_recipient)

    async def delayed(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Mail is late."""
        await self._tell(DELAY, message, failures, self._settings.delay_notice_recipient)

    async def succeeded(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Delivered, relayed or expanded, for those that asked; the caller knows who did."""
        if message.envelope.sender and not self._is_double_bounce(message):
            wanted = [f for f in failures if not f.recipient.recipient.notify & Notify.NEVER]
            await self._to_sender(SUCCESS, message, wanted)

    async def _tell(self, kind: Kind, message: ActiveMessage, failures: Sequence[Failure], postmaster: str) -> None:
        copy, about_nobody = kind.classes
        if self._is_double_bounce(message):
            self._warn("undeliverable postmaster notification discarded", str(message.id))
        elif not message.envelope.sender:
            if about_nobody in self._classes:
                recipient = self._settings.double_bounce_recipient if kind is FAILURE else postmaster
                await self._to_postmaster(kind, message, failures, recipient, headers_only=kind.headers_only)
        else:
            if wanted := [f for f in failures if _is_wanted(kind, f)]:
                await self._to_sender(kind, message, wanted)
            if copy in self._classes:  # whatever NOTIFY says: the postmaster is not the sender
                await self._to_postmaster(kind, message, failures, postmaster, headers_only=True)

    def _is_double_bounce(self, message: ActiveMessage) -> bool:
        return message.envelope.sender.lower() == self._double_bounce.lower()

    async def _to_sender(self, kind: Kind, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        template = self._templates[kind.template]
        envelope = message.envelope
        large = message.size > self._settings.bounce_size_limit
        notice = Notice(
            message=message,
            failures=failures,
            recipient=envelope.sender,
            sender=template.sender,
            subject=template.subject,
            charset=self._charset(template),
            words=self._words(template),
            original=kind.original,
            headers_only=kind.headers_only or envelope.ret == "HDRS" or large,
            now=self._clock(),
            threaded=self._settings.enable_threaded_bounces,
        )
        await self._send(f"sender {kind.log} notification", "", notice)

    async def _to_postmaster(
        self, kind: Kind, message: ActiveMessage, failures: Sequence[Failure], recipient: str, *, headers_only: bool
    ) -> None:
        template = self._templates[kind.template]
        notice = Notice(
            message=message,
            failures=failures,
            recipient=recipient,
            sender=template.sender,
            subject=template.postmaster_subject,
            charset=self._charset(template),
            words="",
            original=kind.original,
            headers_only=headers_only or message.size > self._settings.bounce_size_limit,
            now=self._clock(),
            postmaster=True,
            threaded=self._settings.enable_threaded_bounces,
        )
        await self._send(f"postmaster {kind.log} notification", self._double_bounce, notice)

    async def _send(self, what: str, sender: str, notice: Notice) -> None:
        message = notice.message
        content = MemoryContent(compose(notice, self._system))
        envelope = Envelope(
            sender,
            (Recipient(notice.recipient, notice.recipient),),
            encoding="7bit" if message.envelope.encoding == "7bit" else "8bit",
            smtputf8=message.envelope.smtputf8,
        )
        queue_id = await self._submit(envelope, content, origin="bounce")
        self._emit(Notified("bounce", str(message.id), what, str(queue_id)))

    def _words(self, template: Template) -> str:
        settings = self._settings
        times = {"delay_warning_time": settings.delay_warning_time, "maximal_queue_lifetime": settings.maximal_queue_lifetime}
        names = {"myhostname": settings.myhostname, "mydomain": settings.mydomain}
        if settings.smtputf8_enable:
            names = {name: unicode_domain(domain) for name, domain in names.items()}
        return expanded(template, times, names, self._expand, self._warn)

    def _charset(self, template: Template) -> str:
        """With SMTPUTF8, host names in the text are UTF-8."""
        plain = template.charset.lower() == "us-ascii"
        return "utf-8" if plain and self._settings.smtputf8_enable else template.charset

    def _warn(self, text: str, queue_id: str = "") -> None:
        self._emit(Note("bounce", text, "warning", queue_id))


def _is_wanted(kind: Kind, failure: Failure) -> bool:
    """RFC 3461 §4.1: who asked for nothing in particular hears of failures and delays."""
    notify = failure.recipient.recipient.notify
    return not notify or bool(notify & kind.wanted)


def unicode_domain(domain: str) -> str:
    """`domain` with its A-labels as U-labels (RFC 5890 §2.3.2.1); labels that are none stay as they are."""
    return ".".join(map(_unicode_label, domain.split(".")))


def _unicode_label(label: str) -> str:
    if not label.lower().startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label
