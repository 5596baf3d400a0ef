"""Mail that the mail system itself makes: bounces, notices, mail forwarded by local delivery, and local submissions.

It takes the same way in as any other message: a Received header, cleanup, the durable queue. Postfix gives such mail no
header or body checks (internal_mail_filter_classes names exceptions), but rewrites and maps its addresses.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from gatepost.admission.admission import CleanupAdmission
from gatepost.config.values import split
from gatepost.mail.content import Content
from gatepost.mail.date import MailDates
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.net.turns import Turns
from gatepost.queue.port import NewMessage
from gatepost.routing.rewrite import LOCAL, REMOTE
from gatepost.service.settings import WorkerSettings

_MADE_HERE = (("log_message_origin", "local"), ("trace_flags", "0"))  # attributes of notices, as in Postfix
UNCHECKED: Mapping[str, str] = {"receive_override_options": "no_header_body_checks, no_milters", "filter_before_queue": "no"}
"""The parameters with which mail comes in that is not looked into."""


def checks_of_class(mail_class: str, settings: WorkerSettings) -> Mapping[str, str]:
    """The parameters with which a class of own mail, `bounce` or `notify`, comes in: internal_mail_filter_classes says whether it
    is checked."""
    return {} if mail_class in split(settings.internal_mail_filter_classes) else UNCHECKED


class MailRefused(QueueUnavailable):
    """Cleanup refused the message, for `outcome`. `returned`: what is to go back to its sender (Admitted)."""

    def __init__(self, outcome: Outcome, returned: NewMessage | None) -> None:
        super().__init__(f"{outcome.enhanced} {outcome.text}")
        self.outcome = outcome
        self.returned = returned


class InternalMail:
    """The Submit port (queue/port.py) of a worker."""

    def __init__(self, admission: CleanupAdmission, new_id: Callable[[], QueueId], settings: WorkerSettings) -> None:
        """`admission`: of the service that takes the mail in, which may leave checks out (UNCHECKED, checks_of_class)."""
        self._admission = admission
        self._new_id = new_id
        self._greeting = f"by {settings.myhostname} ({settings.mail_name}"
        self._date = MailDates()

    async def __call__(self, envelope: Envelope, content: Content, *, origin: str) -> QueueId:
        """Queue a message; its id once it is durable. Raises QueueUnavailable (MailRefused among them)."""
        queue_id = self._new_id()
        if not envelope.attributes:
            envelope = replace(envelope, attributes=_MADE_HERE)
        return await self.submit(queue_id, envelope, content.chunks(), origin=origin)

    async def submit(
        self, queue_id: QueueId, envelope: Envelope, chunks: Iterable[bytes], *, origin: str, comment: str = ""
    ) -> QueueId:
        """The same for a message that has its id already. `comment` goes into the Received header (`, from userid 0`). Incomplete
        addresses are completed by the context that the envelope names."""
        context = REMOTE if envelope.attribute("rewrite_context") == REMOTE else LOCAL
        intake = self._admission.open(queue_id, client="", origin_service=origin, context=context)
        try:
            intake.write(self._received(queue_id, comment))
            turns = Turns()
            for chunk in chunks:
                intake.write(chunk)
                if turns.over():
                    await turns.rest()
        except BaseException:
            intake.abort()
            raise
        admitted = await intake.admit(envelope)
        if admitted.outcome is not None:
            raise MailRefused(admitted.outcome, admitted.returned)
        return queue_id

    def _received(self, queue_id: QueueId, comment: str) -> bytes:
        """RFC 5321 §4.4, as Postfix writes it where there was no client."""
        return f"Received: {self._greeting}{comment})\r\n\tid {queue_id}; {self._date(queue_id.arrival)}\r\n".encode()
