"""One evaluation of restriction lists: what has been found so far, and the ways a check may speak.

A check returns a Decision. What it wants said goes through the methods of Evaluation, which apply Postfix's rules on
warn_if_reject, defer_if_permit, defer_if_reject and soft_bounce in one place (SMTPD_ACCESS_README, access(5)).
"""

import contextlib
import enum
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gatepost.events.records import Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import SPACE
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import STEPS_LIMIT, UNSAID, Reason, Step, because
from gatepost.policy.port import Action, Facts
from gatepost.policy.sources import Sources
from gatepost.routing.port import Route


class Decision(enum.Enum):
    """What one restriction, or a whole list, comes to; DUNNO goes on with the next one."""

    DUNNO = "dunno"
    PERMIT = "permit"
    REJECT = "reject"


DUNNO, PERMIT, REJECT = Decision.DUNNO, Decision.PERMIT, Decision.REJECT


class Subject(Struct, frozen=True):
    """What a reply is about: `name` and its kind in Postfix's words (`Client host`, `Recipient address` ...)."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"<{self.name}>: {self.kind}"


_NOBODY = Subject("", "")


class Deferral(Struct, frozen=True):
    """A refusal that waits for what the rest of the lists say (defer_if_permit, defer_if_reject)."""

    code: int
    enhanced: str
    text: str
    why: Reason


class TemporaryLookupFailure(Exception):
    """A table on which all depends cannot answer; the evaluation ends with 451 about `subject`: an address whose way is unknown, or
    what the list is about."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


Check = Callable[["Evaluation", Any], Awaitable[Decision]]


class Rule(Struct, frozen=True):
    """One restriction, compiled.

    `name`: as configured. `needs`: the fact without which it says nothing (`recipient` before RCPT TO).
    `why`: the reason of a decision that needs nothing looked up.
    `warn_only`: warn_if_reject stands before it. `note`: a warning logged when it is evaluated, as Postfix does.
    """

    name: str
    check: Check
    argument: Any = None
    needs: str = ""
    warn_only: bool = False
    note: str = ""
    why: Reason = UNSAID


Compile = Callable[[str], Sequence[Rule]]

# Faults of our own side are never turned into warnings by warn_if_reject, nor postponed.
_OWN_FAULTS = frozenset({"software", "data", "resource"})
_RECURSION_LIMIT = 100


class Evaluation:
    """The state of one `Policy.check`. `compile_result` compiles a restriction list that a table returned.

    `why`: the reason of whatever the rule that is being asked will say: its name, and what it has looked up so far."""

    __slots__ = (
        "_entry", "_granted", "actions", "compile_result", "defer_if_permit", "defer_if_reject", "depth", "discarded", "facts",
        "listed", "outcome", "routes", "settings", "sources", "subject", "trace", "warn_only", "why",
    )  # fmt: skip

    def __init__(self, sources: Sources, facts: Facts, compile_result: Compile) -> None:
        self.sources = sources
        self.settings = sources.settings
        self.facts = facts
        self.compile_result = compile_result
        self.subject = _NOBODY
        self.outcome: Outcome | None = None
        self.defer_if_permit: Deferral | None = None
        self.defer_if_reject: Deferral | None = None
        self.warn_only = False
        self.discarded = False
        self.depth = 0
        self.listed: set[str] = set()
        self.routes: dict[str, Route] = {}
        self.actions: list[Action] = []
        self.trace: list[Step] = []
        self.why = UNSAID
        self._granted = ("", _NOBODY)
        self._entry = UNSAID  # what a table had, where that is a list of restrictions

    async def run(self, rules: Sequence[Rule], subject: Subject) -> Decision:
        """The decision of a list; `subject` is what its plain `reject` and `defer` speak of."""
        outer, self.subject = self.subject, subject
        decision = DUNNO
        for rule in rules:
            if self.discarded or (self.defer_if_permit is not None and self.defer_if_reject is not None):
                break
            if rule.needs and getattr(self.facts, rule.needs) is None:
                continue
            decision = await (self._special(rule) if rule.note or rule.warn_only else self._plain(rule))
            if decision is not DUNNO:
                break
        self.subject = outer
        return decision

    async def nested(self, rules: Sequence[Rule], subject: Subject, table: str, key: str) -> Decision:
        """The decision of a list that a table or a class gave; endless recursion is a configuration error."""
        if self.depth >= _RECURSION_LIMIT:
            self.warn(f"access table {table} entry {key} causes unreasonable recursion")
            return self.server_error()
        self.depth += 1
        outer, self._entry = self._entry, self.why
        try:
            return await self.run(rules, subject)
        finally:
            self.depth -= 1
            self._entry = outer

    async def _plain(self, rule: Rule) -> Decision:
        outer, entry = self.why, self._entry
        self.why = rule.why if entry is UNSAID else Reason(rule.name, entry.table, entry.key)
        decision = await rule.check(self, rule.argument)
        if decision is PERMIT and self.sources.told_permits is not None:
            await self._tell_permit(self.sources.told_permits, rule)
        why, self.why = self.why, outer
        self.trace.append(Step(why.rule, why.reason or decision.value, why.table, why.key))
        return decision

    def grant(self, action: str, subject: Subject) -> Decision:
        """What an entry of an access table permits, in its own word."""
        self._granted = (action, subject)
        return PERMIT

    async def _tell_permit(self, told: MatchList, rule: Rule) -> None:
        """Have the log told that this rule has permitted something, once, where smtpd_log_access_permit_actions asks for that."""
        (action, subject), self._granted = self._granted, ("", _NOBODY)
        table = self.why.table if action else ""
        if not action and rule.name.startswith("permit"):
            action, subject = rule.name, self._concerned(rule)
        with contextlib.suppress(LookupFailure):  # the log has it
            if action and await told.matches(action):
                origin = f"from {table}" if table else ""
                self.act("permit", f"action={action} for {subject.kind}={subject.name} {origin}".rstrip())

    def _concerned(self, rule: Rule) -> Subject:
        """Whom a rule without a table permits: the recipient, where it needs one, or whom its list is about; else the client."""
        if rule.name == "permit":
            return self.subject
        if rule.needs == "recipient":
            return Subject(self.facts.recipient or "", "Recipient address")
        return Subject(self.facts.client, "Client host")

    async def implied(self, name: str, check: Check) -> Decision:
        """What is asked without standing in a list: the checks of smtpd_reject_unlisted_recipient and its kin."""
        return await self._plain(Rule(name, check, why=Reason(name)))

    def looked_up(self, table: str, key: str, found: str = "", line: int = 0) -> None:
        """Note what the present rule has asked, and what it found, for the reason of its decision. Without a table, `key` is what
        it has looked at; the entry that has named the rule says more."""
        if table or self._entry is UNSAID:
            self.why = because(self.why.rule, table, key, found, line)

    async def _special(self, rule: Rule) -> Decision:
        if rule.note:
            self.warn(rule.note)
        if self.warn_only or not rule.warn_only:
            return await self._plain(rule)
        self.warn_only = True
        try:
            return await self._plain(rule)
        finally:
            self.warn_only = False

    def refuse(self, code: int, enhanced: str, text: str, origin: str = "policy", why: Reason | None = None) -> Decision:
        """Refuse with this reply, subject to warn_if_reject, an earlier defer_if_reject, and soft_bounce.

        `origin` is the class of error in the words of `notify_classes`; `why` the reason where it is not the present rule's.
        """
        if not text.isprintable():
            text = "".join(c if c.isprintable() else " " for c in text)
        if not 400 <= code <= 599:
            self.warn(f"SMTP reply code configuration error: {code} {enhanced} {text}")
            code, enhanced, text = 450, "4.7.1", "Service unavailable"
        warn_only = self.warn_only and origin not in _OWN_FAULTS
        if code >= 500:
            if not warn_only and (earlier := self.defer_if_reject) is not None:
                self.defer_if_reject, self.warn_only = None, False
                return self.refuse(earlier.code, earlier.enhanced, earlier.text, why=earlier.why)
            if self.settings.soft_bounce:
                code -= 100
        enhanced = f"{code // 100}{enhanced[1:]}"  # the code has precedence over the class of the enhanced code
        if warn_only:
            self.act("reject_warning", f"{code} {enhanced} {text}")
            return DUNNO
        self.outcome = Outcome(Class(code // 100), enhanced, text, code, why or self._said(text), origin=origin)
        return REJECT

    def _said(self, text: str) -> Reason:
        """Why the present rule speaks: for what it found, else for what it says."""
        why = self.why
        return because(why.rule, why.table, why.key, why.reason or text, why.line)

    def traced(self, outcome: Outcome) -> Outcome:
        """`outcome`, whose reason now tells all that was asked before it."""
        return replace(outcome, why=replace(outcome.why, trace=tuple(self.trace[-STEPS_LIMIT:])))

    def reject(self, code: int, enhanced: str, subject: Subject, text: str) -> Decision:
        """Refuse with `<name>: kind rejected: text`."""
        return self.refuse(code, enhanced, f"{subject} rejected: {text}")

    def postpone_permit(self, code: int, enhanced: str, text: str) -> Decision:
        """defer_if_permit: refuse at the end unless something rejects for good; the first reason is kept."""
        if self.warn_only:
            return self.refuse(code, enhanced, text)
        if self.defer_if_permit is None:
            self.defer_if_permit = Deferral(code, enhanced, text, self._said(text))
        return DUNNO

    def postpone_reject(self, code: int, enhanced: str, text: str) -> Decision:
        """defer_if_reject: turn a later rejection into this deferral, as we might have permitted; the first is kept."""
        if self.defer_if_reject is None:
            self.defer_if_reject = Deferral(code, enhanced, text, self._said(text))
        return DUNNO

    def temporary(self, action: str, enhanced: str, subject: Subject, text: str, code: int = 450) -> Decision:
        """A question that could not be answered now; `action` is a `*_tempfail_action`: defer_if_permit or defer."""
        words = f"{subject} rejected: {text}"
        if action.strip(SPACE).lower() == "defer":
            return self.refuse(code, enhanced, words)
        return self.postpone_permit(code, enhanced, words)

    def settle_permit(self) -> Decision:
        """At the end of the last list: permission becomes the deferral that was waiting, if any."""
        waiting = self.defer_if_permit
        if waiting is None:
            return DUNNO
        return self.refuse(waiting.code, waiting.enhanced, waiting.text, why=waiting.why)

    def server_error(self) -> Decision:
        """The configuration is at fault: 451, and the details only in our own log."""
        return self.refuse(451, "4.3.5", "Server configuration error", "software")

    def act(self, kind: str, value: str = "", subject: Subject | None = None) -> Decision:
        """Ask for an action; evaluation goes on."""
        what = "" if subject is None else str(subject)
        self.actions.append(Action(kind, value, self.facts.protocol_state, what, self._said(value)))
        return DUNNO

    def warn(self, text: str) -> None:
        """A warning for our own log."""
        self.sources.emit(Note("smtpd", text, "warning"))

    async def route(self, address: str) -> Route:
        """Where `address` goes; asked once in an evaluation. Raises TemporaryLookupFailure."""
        route = self.routes.get(address)
        if route is None:
            router = self.sources.router
            route = await router.resolve(await router.rewrite(address), self.facts.sender or "")
            if route.failure is not None and route.failure.cls is Class.TEMPORARY:
                raise TemporaryLookupFailure(address)
            self.routes[address] = route
        return route
