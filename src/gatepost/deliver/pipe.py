"""pipe(8): hands messages to a command of master.cf, run by the agent process as the user that the service names."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gatepost.deliver.command import cannot_run, failure_of, printable
from gatepost.deliver.local_delivery import delivered_to
from gatepost.deliver.pipe_arguments import AddressFormat, UnknownMacro, expanded, recipient_values, written
from gatepost.deliver.pipe_attributes import PipeAttributes
from gatepost.deliver.pipe_form import pipe_form
from gatepost.deliver.privileged import AgentClient, Done, Failed, RunCommand
from gatepost.events.records import Clock, Emit, Note
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.outcome import Outcome, bounced, deferred, sent
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import Reason, because

_MISCONFIGURED = "mail system configuration error"
_PATH = "/usr/bin:/bin"

# Names of arguments -> attributes of the message (pipe(8)).
_ATTRIBUTES = {
    "client_address": "log_client_address",
    "client_helo": "log_helo_name",
    "client_hostname": "log_client_name",
    "client_port": "log_client_port",
    "client_protocol": "log_protocol_name",
    "sasl_method": "sasl_method",
    "sasl_sender": "sasl_sender",
    "sasl_username": "sasl_username",
}


class PipeService(Struct, frozen=True):
    """A pipe service: its attributes, and what the rest of the configuration says. `file`: master.cf, for warnings; `time_limit` in
    seconds; `environment`: what the command gets besides PATH; `directory`: where it runs."""

    attributes: PipeAttributes
    addresses: AddressFormat
    uid: int
    gid: int
    time_limit: int
    environment: Mapping[str, str]
    directory: str
    file: str


class PipeAgent:
    """The agent of a service whose program is `pipe`."""

    def __init__(self, service: PipeService, agent: AgentClient, clock: Clock, emit: Emit) -> None:
        self._service = service
        self._agent = agent
        self._clock = clock
        self._emit = emit

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        started = self._clock()
        loops = delivered_to(request.message.content) if "D" in self._service.attributes.flags else set()
        looping = [queued for queued in request.recipients if queued.recipient.address.lower() in loops]
        others = tuple(queued for queued in request.recipients if queued not in looping)
        outcomes = [(queued, _loop(queued)) for queued in looping]
        if others:
            outcome = await self._attempt(replace(request, recipients=others))
            outcomes.extend((queued, outcome) for queued in others)
        final = "X" in self._service.attributes.flags
        return [Report(queued, outcome, request.transport, started, started, relayed=not final) for queued, outcome in outcomes]

    async def close(self) -> None:
        await self._agent.close()

    async def _attempt(self, request: DeliveryRequest) -> Outcome:
        """Run the command once for all recipients of `request`."""
        attributes = self._service.attributes
        outcome = self._refusal(request)
        if outcome:
            return outcome
        try:
            argv = expanded(attributes.argv, self._values(request), self._recipients(request))
        except UnknownMacro as unknown:
            self._note(f"file {self._service.file}: service {request.transport}: {unknown}", "warning")
            return deferred(_MISCONFIGURED, "4.3.5", self._because(request, "argv=", str(unknown)))
        if any("\0" in word for word in argv):
            text = "bad address syntax: an octet that no argument can hold"
            return bounced(text, "5.1.3", self._because(request, "argv=", text))
        if request.probe:
            return sent(f"delivers to command: {argv[0]}")
        form = pipe_form(
            attributes,
            request.message.envelope.sender,
            request.recipients[0].recipient,
            request.message.content,
            self._clock(),
        )
        answer = await self._agent.ask(self._command(argv), form)
        return self._outcome(request, argv[0], answer)

    def _refusal(self, request: DeliveryRequest) -> Outcome | None:
        """Why the command is not run at all."""
        attributes, message = self._service.attributes, request.message
        if attributes.size and message.size > attributes.size:
            text = f"{message.size} octets, more than {attributes.size}"
            return bounced("message too large", "5.2.3", self._because(request, "size=", text))
        for flag in "DO":
            if flag in attributes.flags and len(request.recipients) > 1:
                needed = f"{request.transport}_destination_recipient_limit = 1"
                self._note(f"pipe flag `{flag}' requires {needed}", "warning")
                return deferred(_MISCONFIGURED, "4.3.5", self._because(request, f"flags={flag}", f"requires {needed}"))
        return None

    def _outcome(self, request: DeliveryRequest, command: str, answer: Done | Failed) -> Outcome:
        if isinstance(answer, Failed):
            if answer.missing:
                self._note(answer.text, "fatal")
            return self._failed(request, cannot_run("pipe", answer))
        if answer.timed_out:
            self._note("pipe_command_read: read time limit exceeded", "warning")
        failure = failure_of(command, answer)
        if failure:
            return self._failed(request, failure)
        output = printable(answer.data)
        return sent(f"delivered via {request.transport} service" + (f" ({output})" if output else ""))

    def _because(self, request: DeliveryRequest, attribute: str, reason: str) -> Reason:
        """What an attribute of the service's line in master.cf decides."""
        return because(f"{request.transport} {attribute}", self._service.file, reason=reason)

    def _failed(self, request: DeliveryRequest, outcome: Outcome) -> Outcome:
        """`outcome`, for which the command has decided."""
        return replace(outcome, why=because(f"{request.transport} argv=", self._service.attributes.argv[0], reason=outcome.text))

    def _command(self, argv: tuple[str, ...]) -> RunCommand:
        service, chroot = self._service, self._service.attributes.chroot
        environment = command_environment(service.environment)
        return RunCommand(argv, service.uid, service.gid, service.time_limit, environment, service.directory, chroot)

    def _values(self, request: DeliveryRequest) -> dict[str, str]:
        """What the names about the message stand for."""
        flags, message = self._service.attributes.flags, request.message
        values = {name: message.envelope.attribute(attribute) for name, attribute in _ATTRIBUTES.items()}
        sender = message.envelope.sender
        values["sender"] = written(sender, flags) if sender else self._service.attributes.null_sender
        values["nexthop"] = request.nexthop.lower() if "h" in flags else request.nexthop
        values["size"] = str(message.size)
        values["queue_id"] = str(message.id)
        return values

    def _recipients(self, request: DeliveryRequest) -> list[dict[str, str]]:
        return [
            recipient_values(queued.recipient.address, queued.recipient.original, self._service.addresses)
            for queued in request.recipients
        ]

    def _note(self, text: str, severity: str) -> None:
        self._emit(Note("pipe", text, severity))


def command_environment(exported: Mapping[str, str]) -> dict[str, str]:
    """All that a command gets. `exported`: what export_environment says."""
    return {"PATH": _PATH, **exported}


def _loop(queued: QueuedRecipient) -> Outcome:
    address = queued.recipient.address
    text = f"mail forwarding loop for {address}"
    return bounced(text, "5.4.6", because("Delivered-To", key=address, reason=text))
