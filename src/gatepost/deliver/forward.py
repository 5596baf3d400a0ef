"""Mail that local delivery sends on: recipients gathered while a recipient is expanded, then one new message for each sender.

The new message begins with a Delivered-To header, by which a loop is found when it comes back (local(8)).
"""

from collections.abc import Iterator

from gatepost.mail.address import external, to_bytes
from gatepost.mail.content import Content
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome, deferred, sent
from gatepost.mail.reason import because
from gatepost.mail.submission import QueueUnavailable, Submit

# What a forwarded message keeps of where the original came from.
_KEPT = frozenset(
    (
        "log_client_name", "log_client_address", "log_client_port", "log_helo_name", "log_protocol_name", "log_ident",
        "client_name", "client_address", "client_port", "helo_name", "protocol_name", "sasl_method", "sasl_username",
        "sasl_sender", "rewrite_context",
    )
)  # fmt: skip


class Forwards:
    """Recipients to forward to, by the Delivered-To header and the sender that they are forwarded with."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], list[Recipient]] = {}

    def add(self, delivered: str, sender: str, recipient: Recipient) -> None:
        """Forward to `recipient` when all is expanded."""
        self._groups.setdefault((delivered, sender), []).append(recipient)

    async def send(self, request: DeliveryRequest, submit: Submit) -> list[Outcome]:
        """Queue the new messages; how each of them ended."""
        return [
            await _send(request, delivered, sender, tuple(recipients), submit)
            for (delivered, sender), recipients in self._groups.items()
        ]


async def _send(
    request: DeliveryRequest, delivered: str, sender: str, recipients: tuple[Recipient, ...], submit: Submit
) -> Outcome:
    original = request.message.envelope
    envelope = Envelope(
        sender,
        recipients,
        encoding=original.encoding,
        ret=original.ret,
        envid=original.envid,
        smtputf8=original.smtputf8,
        attributes=tuple(pair for pair in original.attributes if pair[0] in _KEPT),
        tls_required=original.tls_required,
    )
    header = b"Delivered-To: " + to_bytes(external(delivered.lower())) + b"\r\n"
    content = _Prefixed(header, request.message.content)
    try:
        queue_id = await submit(envelope, content, origin="local")  # type: ignore[arg-type]
    except QueueUnavailable as error:
        return deferred("unable to forward message", "4.3.0", because("forward", "queue", delivered, str(error)))
    return sent(f"forwarded as {queue_id}")


class _Prefixed:
    """A content with a header before it."""

    __slots__ = ("_content", "_header")

    def __init__(self, header: bytes, content: Content) -> None:
        self._header = header
        self._content = content

    @property
    def size(self) -> int:
        return len(self._header) + self._content.size

    def chunks(self) -> Iterator[bytes]:
        yield self._header
        yield from self._content.chunks()
