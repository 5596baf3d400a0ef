"""Notices: what the sender and the postmaster are told of mail that was returned, is late, or was delivered (bounce(8)).

Nobody is told twice of the same trouble: mail from nobody (a notice) that cannot be delivered goes to the postmaster, and what
cannot be delivered to the postmaster is dropped.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gatepost.events.records import Clock, Emit, Note, Notified
from gatepost.mail.ascii_text import elements
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Notify, Recipient, TlsRequired
from gatepost.mail.queued import ActiveMessage
from gatepost.mail.submission import Submit
from gatepost.queue.notice_message import MailSystem, Notice, compose
from gatepost.queue.notice_templates import Expand, Template, built_in, expanded, load
from gatepost.queue.port import Failure
from gatepost.queue.schedule import with_verp


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
    disable_verp_bounces: bool
    header_from_format: str
    smtputf8_enable: bool
    requiretls_redact_dsn: bool
    delay_warning_time: int
    maximal_queue_lifetime: int


class NoticeKind(Struct, frozen=True):
    """What tells one kind of notice from another. `template`: its name; `log`: Postfix's word; `wanted`: the bit of Notify by which
    a recipient's sender asks for it; `original`: how the returned part is called; `classes`: (of a copy to the postmaster, of a
    notice about mail from nobody) in notify_classes; `headers_only`: never the whole original; `via`: it names relays."""

    template: str
    log: str
    wanted: int
    original: str = "Undelivered Message"
    classes: tuple[str, str] = ("", "")
    headers_only: bool = True
    via: bool = False


FAILURE = NoticeKind("failure", "non-delivery", Notify.FAILURE, classes=("bounce", "2bounce"), headers_only=False)
DELAY = NoticeKind("delay", "delay", Notify.DELAY, classes=("delay", "delay"))
SUCCESS = NoticeKind("success", "delivery status", Notify.SUCCESS, "Message", via=True)
TRACE = NoticeKind("verify", "delivery status", Notify.DEFAULT, "Message", via=True)


class Notices:
    """The Notifier port. `expand` replaces the `$names` of templates (Configuration.expand)."""

    def __init__(self, settings: NoticeSettings, submit: Submit, emit: Emit, clock: Clock, expand: Expand) -> None:
        self._settings = settings
        self._submit = submit
        self._emit = emit
        self._clock = clock
        self._expand = expand
        self._classes = frozenset(elements(settings.notify_classes.lower()))
        self._double_bounce = f"{settings.double_bounce_sender}@{settings.myhostname}"
        self._system = MailSystem(settings.myhostname, settings.mail_name, settings.maximal_queue_lifetime)
        self._templates = load(settings.bounce_template_file, built_in(settings.header_from_format), self._warn)

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Non-delivery. Raises QueueUnavailable and OSError, as all of these do."""
        await self._tell(FAILURE, message, failures, self._settings.bounce_notice_recipient)

    async def delayed(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Mail is late."""
        await self._tell(DELAY, message, failures, self._settings.delay_notice_recipient)

    async def succeeded(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Delivered, relayed or expanded, for those that asked; the caller knows who did."""
        await self._confirm(SUCCESS, message, [f for f in failures if not f.recipient.recipient.notify & Notify.NEVER])

    async def traced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        """Every recipient, whatever NOTIFY says: somebody asked for this report by hand."""
        await self._confirm(TRACE, message, failures)

    async def _confirm(self, kind: NoticeKind, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        nobody = not message.envelope.sender
        if self._is_double_bounce(message) or (nobody and "2bounce" not in self._classes):
            which = "single" if nobody else "double"
            text = f"not sending trace/success notification for {which}-bounce message"
            self._emit(Note("bounce", text, queue_id=str(message.id)))
        elif failures and nobody:
            await self._send(kind, message, failures, self._settings.double_bounce_recipient, self._double_bounce)
        elif failures:
            await self._send(kind, message, failures, message.envelope.sender)

    async def _tell(self, kind: NoticeKind, message: ActiveMessage, failures: Sequence[Failure], postmaster: str) -> None:
        copy, about_nobody = kind.classes
        if self._is_double_bounce(message):
            self._warn("undeliverable postmaster notification discarded", str(message.id))
        elif not message.envelope.sender:
            if about_nobody in self._classes:
                recipient = self._settings.double_bounce_recipient if kind is FAILURE else postmaster
                await self._copy(kind, message, failures, recipient, headers_only=kind.headers_only)
        else:
            wanted = [f for f in failures if _is_wanted(kind, f)]
            one_each = not self._settings.disable_verp_bounces
            for sender, told in _returned_to(kind, message.envelope, wanted, one_each=one_each):
                await self._send(kind, message, told, sender)
            if copy in self._classes:  # whatever NOTIFY says: the postmaster is not the sender
                await self._copy(kind, message, failures, postmaster, headers_only=True)

    def _is_double_bounce(self, message: ActiveMessage) -> bool:
        return message.envelope.sender.lower() == self._double_bounce.lower()

    async def _send(
        self, kind: NoticeKind, message: ActiveMessage, failures: Sequence[Failure], recipient: str, sender: str = ""
    ) -> None:
        """A notice with the template's words, as the sender gets it."""
        template = self._templates[kind.template]
        headers_only = kind.headers_only or message.envelope.ret == "HDRS" or self._is_large(message) or self._is_redacted(message)
        words = self._words(template)
        notice = self._notice(kind, message, failures, recipient, template.subject, words, headers_only=headers_only)
        await self._queue(f"sender {kind.log} notification", sender, notice)

    async def _copy(
        self, kind: NoticeKind, message: ActiveMessage, failures: Sequence[Failure], recipient: str, *, headers_only: bool
    ) -> None:
        """The postmaster's copy: facts without words."""
        headers_only = headers_only or self._is_large(message) or self._is_redacted(message)
        subject = self._templates[kind.template].postmaster_subject
        notice = self._notice(kind, message, failures, recipient, subject, "", headers_only=headers_only)
        await self._queue(f"postmaster {kind.log} notification", self._double_bounce, replace(notice, postmaster=True))

    def _notice(
        self,
        kind: NoticeKind,
        message: ActiveMessage,
        failures: Sequence[Failure],
        recipient: str,
        subject: str,
        words: str,
        *,
        headers_only: bool,
    ) -> Notice:
        settings, template = self._settings, self._templates[kind.template]
        plain = template.charset.lower() == "us-ascii"
        return Notice(
            message=message,
            failures=failures,
            recipient=recipient,
            sender=template.sender,
            subject=subject,
            charset="utf-8" if plain and settings.smtputf8_enable else template.charset,
            words=words,
            original=kind.original,
            headers_only=headers_only,
            now=self._clock(),
            encoding="8bit" if settings.smtputf8_enable else message.envelope.encoding.lower(),
            threaded=settings.enable_threaded_bounces,
            via=kind.via,
        )

    async def _queue(self, what: str, sender: str, notice: Notice) -> None:
        recipient, original = Recipient(notice.recipient, notice.recipient), notice.message
        envelope = Envelope(sender, (recipient,), encoding=notice.encoding, smtputf8=original.envelope.smtputf8)
        if original.envelope.tls_required is TlsRequired.YES and not self._is_redacted(original):
            envelope = replace(envelope, tls_required=TlsRequired.YES)
        content = MemoryContent(compose(notice, self._system))
        queue_id = await self._submit(envelope, content, origin="bounce")
        self._emit(Notified("bounce", str(original.id), what, str(queue_id)))

    def _is_large(self, message: ActiveMessage) -> bool:
        return message.size > self._settings.bounce_size_limit

    def _is_redacted(self, message: ActiveMessage) -> bool:
        """Whether a notice leaves out the body, since its own way need not be under TLS (RFC 8689 §5)."""
        return message.envelope.tls_required is TlsRequired.YES and self._settings.requiretls_redact_dsn

    def _words(self, template: Template) -> str:
        settings = self._settings
        times = {"delay_warning_time": settings.delay_warning_time, "maximal_queue_lifetime": settings.maximal_queue_lifetime}
        names = {"myhostname": settings.myhostname, "mydomain": settings.mydomain}
        if settings.smtputf8_enable:
            names = {name: unicode_domain(domain) for name, domain in names.items()}
        return expanded(template, times, names, self._expand, self._warn)

    def _warn(self, text: str, queue_id: str = "") -> None:
        self._emit(Note("bounce", text, "warning", queue_id))


def _returned_to(
    kind: NoticeKind, envelope: Envelope, failures: Sequence[Failure], *, one_each: bool
) -> Iterable[tuple[str, Sequence[Failure]]]:
    """Who hears of which failures: the sender of all; with VERP (VERP_README) of each, at the address that names its recipient,
    unless there is to be one for all (`one_each`, disable_verp_bounces)."""
    if envelope.verp and kind is FAILURE and one_each:
        return [(with_verp(envelope, failure.recipient.recipient).sender, (failure,)) for failure in failures]
    return [(envelope.sender, failures)] if failures else []


def _is_wanted(kind: NoticeKind, failure: Failure) -> bool:
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
