"""milter_header_checks: headers that filters add are judged as those that come in, with the actions of header_checks(5), but for
PREPEND."""

from collections.abc import Callable, Sequence

from msgspec import structs

from gatepost.admission.edits import AddHeader, ChangeHeader, Edit, InsertHeader
from gatepost.admission.milter import verdicts
from gatepost.admission.port import Finding, Severity, View
from gatepost.content.check_maps import CheckMaps
from gatepost.content.checks import Checks, Effects, LogContext
from gatepost.events.records import Emit, Event, Judged
from gatepost.lookup.registry import Maps
from gatepost.mail.address import external
from gatepost.mail.reason import Reason
from gatepost.policy.port import Action

_Header = AddHeader | InsertHeader | ChangeHeader


class HeaderChecks:
    """The tables of a service. `written`: how an address is logged."""

    def __init__(self, maps: Maps, emit: Emit, written: Callable[[str], str] = external) -> None:
        self._written = written
        self._maps = maps
        self._all = CheckMaps(maps, maps, maps, maps)
        self._emit = emit

    async def judged(self, finding: Finding, view: View, why: Reason) -> Finding:
        """A filter's finding, with those of its edits that the tables leave, and what they ask for besides. Raises
        LookupFailure."""
        effects = Effects(checking=True)
        checks = Checks(self._all, _context(view, self._written), effects, self._told)
        edits: list[Edit] = []
        for edit in finding.edits:
            edits += await self._of(edit, checks) if isinstance(edit, _Header) and effects.checking else (edit,)
        if effects.refusal:
            status, _, text = effects.refusal.partition(" ")
            code = 450 if status.startswith("4") else 550
            return structs.replace(verdicts.refusal((code, status, text), why), told=True)
        if effects.discard:
            return structs.replace(verdicts.discarded(why), told=True)
        if effects.hold and finding.severity < Severity.HOLD:
            finding = structs.replace(verdicts.held(why), edits=finding.edits, told=True)
        asked = (Action("filter", effects.filter), Action("redirect", effects.redirect))
        actions = (*finding.actions, *(action for action in asked if action.value))
        return structs.replace(finding, edits=tuple(edits), actions=actions)

    async def _of(self, edit: _Header, checks: Checks) -> Sequence[Edit]:
        lines = await checks.header(self._maps, edit.name + b":" + edit.value.replace(b"\r\n", b"\n"))
        if lines is None or len(lines) > 1:  # what would be put before it has no place
            return (edit,)
        if not lines:
            return ()
        name, _, value = lines[0].partition(b":")
        return (structs.replace(edit, name=name, value=value),)

    def _told(self, event: Event) -> None:
        if isinstance(event, Judged):
            event = structs.replace(event, action=f"milter-header-{event.action}")
        self._emit(event)


def _context(view: View, written: Callable[[str], str]) -> LogContext:
    facts = view.facts
    context = LogContext(facts.queue_id, facts.client, written)
    context.sender, context.recipient = facts.sender, facts.recipient
    context.protocol, context.helo = facts.protocol_name, facts.helo_name or ""
    return context
