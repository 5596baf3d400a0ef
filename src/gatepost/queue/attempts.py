"""One attempt of delivery by the agent of a transport: whatever an agent does, there is a report for each recipient."""

from collections.abc import Awaitable, Callable, Sequence

from gatepost.events.notes import TransportUnknown
from gatepost.events.records import Emit, Fault
from gatepost.mail.delivery import Agent, DeliveryRequest, Report
from gatepost.queue.requests import not_tried
from gatepost.queue.results import BROKEN, TRANSPORT_UNAVAILABLE

Agents = Callable[[str], Awaitable[Agent]]


async def attempt(
    request: DeliveryRequest, agents: Agents, *, emit: Emit, fault: Fault, clock: Callable[[], float]
) -> Sequence[Report]:
    """The agent's reports; an agent that is missing, raises or forgets a recipient costs a deferral."""
    began = clock()
    try:
        agent = await agents(request.transport)
    except LookupError:
        emit(TransportUnknown("qmgr", request.transport))
        return not_tried(request.recipients, TRANSPORT_UNAVAILABLE, began)
    try:
        reports = await agent.deliver(request)
    except Exception as error:
        fault(error, f"{request.message.id}: transport {request.transport} broke off, the mail is tried again later")
        return not_tried(request.recipients, BROKEN, began)
    if len(reports) == len(request.recipients):
        return reports
    reported = {report.recipient.index for report in reports}
    return [*reports, *not_tried([r for r in request.recipients if r.index not in reported], BROKEN, began)]
