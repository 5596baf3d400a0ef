"""What postscreen makes of one client, step by step: from what is known of it to a pass, the engine, or the door. Sans-IO."""

import enum
from typing import Final

from msgspec import Struct

from gatepost.events.records import DnsListed, Emit, RuleBroken, Screened, SpokeEarly
from gatepost.mail.reason import UNSAID, Reason, because
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.postscreen import replies
from gatepost.receive.postscreen.dns_lists import Rank
from gatepost.receive.postscreen.engine import Fault, escaped
from gatepost.receive.postscreen.results import EARLY, Results, Test, TestRule
from gatepost.receive.postscreen.settings import Action, PostscreenSettings

_SERVICE: Final = "postscreen"
_DEEP: Final = frozenset(Test) - EARLY
_LOG_WORDS: Final = {
    Test.PIPELINING: "COMMAND PIPELINING",
    Test.NON_SMTP: "NON-SMTP COMMAND",
    Test.BARE_NEWLINE: "BARE NEWLINE",
}
_FORMER_WORDS: Final = {
    "ALLOWLISTED": "WHITELISTED",
    "DENYLISTED": "BLACKLISTED",
    "ALLOWLIST VETO": "WHITELIST VETO",
}
"""What the log says with `respectful_logging = no`."""


class Access(enum.Enum):
    """What postscreen_access_list says of a client."""

    PERMIT = "permit"
    REJECT = "reject"
    DUNNO = "dunno"


class Next(enum.Enum):
    """What follows."""

    HAND_OVER = "smtpd has it"
    GREETING = "the tests before the greeting"
    ENGINE = "the engine has it"


class Drop(Struct, frozen=True):
    """The client hears this, and the connection ends."""

    reply: ServerReply


class Screening:
    """One client. `client`: `[address]:port`, as in the log.

    - `todo`: tests that it has to pass yet.
    - `recipient_reply`: what the engine will say to every recipient.
    - `greeted_early`: it failed the greeting test, and hears no second line of the greeting.
    """

    __slots__ = (
        "_address", "_barred", "_emit", "_failed", "_known", "_new", "_rules", "_settings", "client", "greeted_early", "passed",
        "recipient_reply", "todo",
    )  # fmt: skip

    def __init__(self, rules: dict[Test, TestRule], settings: PostscreenSettings, emit: Emit, address: str, client: str) -> None:
        self._rules = rules
        self._settings = settings
        self._emit = emit
        self._address = address
        self._known: Results = {}
        self._new = True
        self._failed = False
        """A test was failed, or its failure ignored: nothing of this session is kept."""
        self._barred = False
        """It will not reach smtpd in this session."""
        self.client = client
        self.todo: frozenset[Test] = frozenset()
        self.passed: dict[Test, float] = {}
        self.recipient_reply = replies.NOT_YET
        self.greeted_early = False

    # --- what is known beforehand ---

    def begin(self, access: Access, known: Results, now: float, *, may_pass: bool, why: Reason = UNSAID) -> Next | Drop:
        """`known`: what is kept of it; `may_pass`: it came to one of postscreen_allowlist_interfaces."""
        if access is Access.PERMIT:
            self._tell("ALLOWLISTED", why)
            return Next.HAND_OVER
        enabled = frozenset(test for test, rule in self._rules.items() if rule.enabled)
        if access is Access.REJECT:
            known = {}
        self._known = known
        self._new = not all(test in known for test in enabled)
        self.todo = frozenset(test for test in enabled if known.get(test, 0.0) <= now)
        if access is Access.REJECT:
            self._tell("DENYLISTED", why)
            dropped = self._act(self._settings.postscreen_denylist_action, replies.DENIED, lasting=False)
            if dropped is not None:
                return dropped
        elif not self.todo:
            if enabled:
                self._tell("PASS OLD")
            return Next.HAND_OVER
        if not may_pass:
            self._tell("ALLOWLIST VETO", because("postscreen_allowlist_interfaces"))
            self._failed = self._barred = True
        return Next.GREETING if self.todo & EARLY else self._after_greeting()

    # --- before the greeting ---

    def spoke(self, octets: bytes, after: float) -> Drop | None:
        """It spoke before its turn."""
        rule = self._rules[Test.PREGREET]
        self.todo -= {Test.PREGREET}
        why = because(rule.parameter, key=self._address, reason=rule.action.value)
        self._emit(SpokeEarly(_SERVICE, self.client, len(octets), after, escaped(octets), why))
        self.greeted_early = rule.action is not Action.IGNORE
        return self._act(rule.action, replies.PROTOCOL_ERROR)

    def excused(self, rank: Rank) -> bool:
        """Whether DNS lists speak so well of it that no other test is made (postscreen_dnsbl_allowlist_threshold)."""
        threshold = self._settings.postscreen_dnsbl_allowlist_threshold
        return threshold < 0 and rank.weight <= threshold and not self._failed

    def waited(self, rank: Rank | None, now: float) -> Next | Drop:
        """The time before the greeting is over. `rank`: what DNS lists said, None where nobody asked them."""
        if Test.PREGREET in self.todo:
            self._pass(Test.PREGREET, now)
        if Test.DNSBL in self.todo:
            self.todo -= {Test.DNSBL}
            dropped = self._weigh(rank or Rank(), now)
            if dropped is not None:
                return dropped
        return self._after_greeting()

    def _weigh(self, rank: Rank, now: float) -> Drop | None:
        if rank.weight >= self._settings.postscreen_dnsbl_threshold:
            rule = self._rules[Test.DNSBL]
            self._emit(DnsListed(_SERVICE, self.client, rank.weight, because(rule.parameter, rank.domain, self._address)))
            return self._act(rule.action, replies.listed(self._address, rank.domain))
        ttl = min(rank.ttl, self._rules[Test.DNSBL].ttl)
        self._pass(Test.DNSBL, now, ttl)
        if self.excused(rank):
            for test in tuple(self.todo):
                self._pass(test, now, ttl)
        return None

    def _after_greeting(self) -> Next:
        return Next.ENGINE if self._barred or self.todo else Next.HAND_OVER

    # --- in the engine ---

    @property
    def watched(self) -> frozenset[Test]:
        """The tests that the engine makes: those still to be passed, or all, where it is needed anyway."""
        return self.todo & _DEEP or _DEEP

    def fault(self, fault: Fault, now: float) -> Drop | None:
        """A test is failed in the engine. Where that is ignored, it counts as passed, for it would fail again and again."""
        rule = self._rules[fault.test]
        why = because(rule.parameter, key=self._address, reason=rule.action.value)
        self._emit(RuleBroken(_SERVICE, _LOG_WORDS[fault.test], self.client, fault.after, fault.said, why))
        if rule.action is Action.IGNORE:
            if fault.test in self.todo:
                self._pass(fault.test, now)
            return None
        self.todo -= {fault.test}
        reply = replies.NOT_SMTP if fault.test is Test.NON_SMTP and rule.action is Action.DROP else replies.PROTOCOL_ERROR
        return self._act(rule.action, reply)

    def passed_engine(self, now: float) -> None:
        """It came as far as RCPT without a fault."""
        for test in tuple(self.todo):
            self._pass(test, now)

    # --- the end ---

    def conclude(self) -> Results | None:
        """The tests are over, for this session: what is to be kept of them."""
        if self._failed or not self.passed:
            return None
        if not self.todo:
            self._tell("PASS NEW" if self._new else "PASS OLD")
        return {**self._known, **self.passed}

    def _pass(self, test: Test, now: float, ttl: float | None = None) -> None:
        self.todo -= {test}
        self.passed[test] = now + (self._rules[test].ttl if ttl is None else ttl)

    def _act(self, action: Action, reply: ServerReply, *, lasting: bool = True) -> Drop | None:
        """`lasting`: even an ignored failure is one, and the test is made again the next time."""
        if action is Action.DROP:
            self._failed = True
            return Drop(replies.dropping(reply))
        if action is Action.ENFORCE:
            self.recipient_reply = reply
            self._failed = self._barred = True
        self._failed |= lasting
        return None

    def _tell(self, verdict: str, why: Reason = UNSAID) -> None:
        if not self._settings.respectful_logging:
            verdict = _FORMER_WORDS.get(verdict, verdict)
        self._emit(Screened(_SERVICE, verdict, self.client, why))
