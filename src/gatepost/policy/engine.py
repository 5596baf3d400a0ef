"""The restrictions of one service: compiled once, then asked at every stage (SMTPD_ACCESS_README)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from gatepost.config.faults import ConfigurationError, Fault
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import elements
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, because
from gatepost.policy import subjects
from gatepost.policy.compiler import Compiler
from gatepost.policy.evaluation import DUNNO, REJECT, Decision, Deferral, Evaluation, Rule, TemporaryLookupFailure
from gatepost.policy.lists import GUARDS, RECIPIENT, RELAY, are_guarded, compile_lists
from gatepost.policy.port import PERMIT, Facts, Stage, Verdict
from gatepost.policy.restrictions.recipient import reject_unlisted_recipient
from gatepost.policy.restrictions.sender import reject_unlisted_sender
from gatepost.policy.sources import Sources

# A reply after which the server hangs up (RFC 5321 §3.8, RFC 7504).
_LAST_WORDS = frozenset({421, 521})

_EARLY = (Stage.CLIENT, Stage.HELO, Stage.SENDER)

# Stages that speak of all recipients at once.
_ON_ALL = (Stage.DATA, Stage.END_OF_DATA)

# Whose postponed deferrals a stage takes over.
_BEFORE = {Stage.CLIENT: (), Stage.HELO: _EARLY[:1], Stage.SENDER: _EARLY[:2]}

_UNGUARDED = (
    "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: "
    + ", ".join(GUARDS[:-1])
    + f" or {GUARDS[-1]}"
)

# Distinct right-hand sides of tables that are kept in compiled form.
_RESULT_CACHE = 512


class RestrictionPolicy:
    """Postfix's restriction lists as a Policy.

    `classes`: name -> definition for each of smtpd_restriction_classes. `silent`: stages at which there is nothing to say. Mail is
    refused with 451 where a rule is reached that cannot be carried out (review.py names them). Raises ConfigurationError where
    nothing keeps strangers from relaying.
    """

    def __init__(self, sources: Sources, classes: Mapping[str, str]) -> None:
        self._sources = sources
        self._settings = settings = sources.settings
        compiler = Compiler(sources, classes)
        lists = compile_lists(compiler, settings)
        if not are_guarded(lists):
            raise ConfigurationError([Fault("main.cf", 0, _UNGUARDED, "without one, anybody could relay anywhere")])
        self._lists = {stage: lists[f"smtpd_{stage.value}_restrictions"] for stage in Stage}
        both = (lists[RELAY], lists[RECIPIENT])
        in_order = both if settings.smtpd_relay_before_recipient_restrictions else both[::-1]
        self._recipient_lists = tuple(filter(None, in_order))
        self._checks_recipients = settings.smtpd_reject_unlisted_recipient and "no_unknown_recipient_checks" not in elements(
            settings.receive_override_options
        )
        self._compile_result = lru_cache(_RESULT_CACHE)(compiler.compile)
        delayed = _EARLY if settings.smtpd_delay_reject else ()
        self.silent = frozenset((*delayed, *(stage for stage in _ON_ALL if not self._lists[stage])))
        self._stages = {
            Stage.CLIENT: self._early,
            Stage.HELO: self._early,
            Stage.SENDER: self._early,
            Stage.RECIPIENT: self._recipient,
            Stage.DATA: self._data,
            Stage.END_OF_DATA: self._data,
            Stage.ETRN: self._etrn,
        }

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        """The verdict for this stage (`Policy.check`); never raises for what a client, a table or the DNS does."""
        if stage in self.silent:
            return PERMIT
        e = Evaluation(self._sources, facts, self._compile_result)
        try:
            await self._stages[stage](e, stage)
        except TemporaryLookupFailure as failure:
            text = f"<{failure.subject}>: Temporary lookup failure"
            e.outcome = Outcome(Class.TEMPORARY, "4.3.0", text, 451, _unanswered(e, failure), origin="data")
        outcome = e.outcome and e.traced(e.outcome)
        if outcome is None and not e.actions and not e.trace:
            return PERMIT
        disconnect = outcome is not None and outcome.code in _LAST_WORDS
        return Verdict(outcome, tuple(e.actions), tuple(e.trace), disconnect)

    async def _early(self, e: Evaluation, stage: Stage) -> Decision:
        """Client, HELO and sender at once: only where rejection is not delayed until RCPT TO or ETRN (else they are silent)."""
        facts = e.facts
        e.defer_if_permit = _carried(facts, _BEFORE[stage])
        decision = await self._list(e, stage)
        facts.deferred[stage] = e.defer_if_permit
        return decision

    async def _delayed(self, e: Evaluation, stages: Iterable[Stage]) -> Decision:
        """What earlier stages had to say, now; without delay only the deferrals they left."""
        if not self._settings.smtpd_delay_reject:
            e.defer_if_permit = _carried(e.facts, stages)
            return DUNNO
        for stage in stages:
            if await self._list(e, stage) is REJECT:
                return REJECT
            e.defer_if_reject = None  # ends with its stage; relay and recipient lists are one stage
        return DUNNO

    async def _list(self, e: Evaluation, stage: Stage) -> Decision:
        """The list of a stage, if what it is about is known; after the sender list comes the implied check of the sender."""
        decision = await self._run(e, self._lists[stage], stage)
        if stage is Stage.SENDER and decision is not REJECT and self._settings.smtpd_reject_unlisted_sender and not e.discarded:
            return await e.implied("smtpd_reject_unlisted_sender", reject_unlisted_sender) if e.facts.sender else DUNNO
        return decision

    async def _run(self, e: Evaluation, rules: Sequence[Rule], stage: Stage) -> Decision:
        if not rules or (stage is Stage.HELO and e.facts.helo_name is None) or (stage is Stage.SENDER and e.facts.sender is None):
            return DUNNO
        return await e.run(rules, subjects.OF_STAGE[stage](e.facts))

    async def _recipient(self, e: Evaluation, stage: Stage) -> Decision:
        recipient = e.facts.recipient
        if recipient is None or recipient.lower() == "postmaster":
            return DUNNO  # RFC 5321 §4.5.1: postmaster without a domain is always accepted
        if e.facts.protocol_state == "RCPT" and self._sources.verifier.own_sender(recipient) is not None:
            return DUNNO  # whoever checks the sender of our probe is told yes, or neither side ever gets an answer
        if await self._delayed(e, _EARLY) is REJECT:
            return REJECT
        if e.facts.sender is None:
            e.defer_if_permit = None  # VRFY: as in Postfix, a deferral goes from one stage to the next through that of the sender
        for rules in self._recipient_lists:
            if await self._run(e, rules, stage) is REJECT:
                return REJECT
        if e.settle_permit() is REJECT:
            return REJECT
        if self._checks_recipients and not e.discarded:
            return await e.implied("smtpd_reject_unlisted_recipient", reject_unlisted_recipient)
        return DUNNO

    async def _data(self, e: Evaluation, stage: Stage) -> Decision:
        """DATA and end-of-data speak of all recipients at once; what was postponed for a recipient is over."""
        if await self._run(e, self._lists[stage], stage) is REJECT:
            return REJECT
        return e.settle_permit()

    async def _etrn(self, e: Evaluation, stage: Stage) -> Decision:
        if await self._delayed(e, _BEFORE[Stage.SENDER]) is REJECT:
            return REJECT
        if await self._run(e, self._lists[stage], stage) is REJECT:
            return REJECT
        return e.settle_permit()


def _unanswered(e: Evaluation, failure: TemporaryLookupFailure) -> Reason:
    """Which table did not answer whom, as far as that is known."""
    cause = failure.__cause__
    if isinstance(cause, LookupFailure):
        return cause.because(e.why.rule, e.why.key or failure.subject)
    return because(e.why.rule, e.why.table, e.why.key or failure.subject, e.why.reason or "Temporary lookup failure")


def _carried(facts: Facts, stages: Iterable[Stage]) -> Deferral | None:
    """The first deferral that an earlier stage of this session left."""
    return next((left for stage in stages if (left := facts.deferred.get(stage)) is not None), None)
