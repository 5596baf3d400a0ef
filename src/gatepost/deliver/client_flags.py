"""`flags=DORX` of an smtp(8) or lmtp(8) service in master.cf: the SMTP or LMTP server is where the mail comes to rest.

What final delivery does is done before the message leaves: headers that name sender and recipient are put on top (`R`, `O`, `D`),
mail that has been there before is returned (`D`), and a success notice says `delivered` (`X`).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from gatepost.deliver.local_delivery import delivered_to
from gatepost.events.records import Clock, Emit, Note
from gatepost.mail.address import external, to_bytes
from gatepost.mail.content import prepended
from gatepost.mail.delivery import Agent, DeliveryRequest, Report
from gatepost.mail.outcome import Outcome, bounced, deferred
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import because

_FLAGS: Final = "flags="


def client_flags(arguments: tuple[str, ...]) -> frozenset[str]:
    """The letters of a service's `flags=`; letters that mean nothing are kept, and mean nothing (as in Postfix)."""
    return frozenset("".join(word[len(_FLAGS) :] for word in arguments if word.startswith(_FLAGS)))


class FlaggedAgent:
    """Agent (mail/delivery.py) that does what `flags` say around another one. `service`: its program, for the log."""

    def __init__(self, agent: Agent, flags: frozenset[str], service: str, clock: Clock, emit: Emit) -> None:
        self._agent = agent
        self._flags = flags
        self._service = service
        self._clock = clock
        self._emit = emit

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        """Deliver to whom the message has not been before."""
        started = self._clock()
        if flag := next((flag for flag in "DO" if flag in self._flags and len(request.recipients) > 1), ""):
            text = f"flag `{flag}' requires {request.transport}_destination_recipient_limit = 1"
            self._emit(Note(self._service, text, "warning", queue_id=str(request.message.id)))
            outcome = deferred(
                "mail system configuration error", "4.3.5", because(f"{request.transport} flags={flag}", reason=text)
            )
            return [Report(queued, outcome, started=started, connected=started) for queued in request.recipients]
        if self._loops(request):
            return [Report(queued, _loop(queued), started=started, connected=started) for queued in request.recipients]
        reports = await self._agent.deliver(self._marked(request))
        return [replace(report, relayed=False) for report in reports] if "X" in self._flags else reports

    async def close(self) -> None:
        await self._agent.close()

    def _loops(self, request: DeliveryRequest) -> bool:
        """Whether the message has been at its recipient before."""
        if "D" not in self._flags:
            return False
        before = delivered_to(request.message.content)
        return any(queued.recipient.address.lower() in before for queued in request.recipients)

    def _marked(self, request: DeliveryRequest) -> DeliveryRequest:
        """The request with its message below the headers that the flags ask for."""
        message = request.message
        head = b"".join(self._headers(message.envelope.sender, request.recipients[0]))
        return replace(request, message=replace(message, content=prepended(head, message.content))) if head else request

    def _headers(self, sender: str, queued: QueuedRecipient) -> Iterator[bytes]:
        recipient = queued.recipient
        if "R" in self._flags:
            yield b"Return-Path: <" + to_bytes(external(sender)) + b">\r\n"
        if "O" in self._flags and recipient.original:
            yield b"X-Original-To: " + to_bytes(external(recipient.original)) + b"\r\n"
        if "D" in self._flags:
            yield b"Delivered-To: " + to_bytes(external(recipient.address)) + b"\r\n"


def _loop(queued: QueuedRecipient) -> Outcome:
    address = queued.recipient.address
    text = f"mail forwarding loop for {address}"
    return bounced(text, "5.4.6", because("Delivered-To", key=address, reason=text))
