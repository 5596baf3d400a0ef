"""What a verb sees of its session: who the client is, the transaction, and the rooms that it may ask."""

from collections.abc import Collection, Sequence
from typing import Final

from gatepost.admission.port import NOTHING_FOUND, ProtocolStage, Severity
from gatepost.auth.port import Conversation
from gatepost.events.notes import LimitExceeded
from gatepost.events.records import Judged, Note, Permitted
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import AS_LOGGED
from gatepost.mail.ascii_text import elements, upper
from gatepost.mail.outcome import Outcome
from gatepost.mail.reason import UNSAID, Reason, Step, let_in
from gatepost.policy.port import AS_TOLD, Action, Facts
from gatepost.proto.smtp.data import LineEnds
from gatepost.proto.smtp.replies import reply_of
from gatepost.receive.answer import MILTER
from gatepost.receive.port import SmtpdPorts, Wire
from gatepost.receive.secrets import Secrets
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transaction import Effect, End, Forwarded, MailTransaction, TakeRecipient
from gatepost.state.port import Rate

BARE_NEWLINE: Final = Reason("smtpd_forbid_bare_newline")
END_OF_MESSAGE: Final = "END-OF-MESSAGE"
RATE_NAMES: Final = {
    Rate.CONNECTION: "Connection",
    Rate.MESSAGE: "Message delivery request",
    Rate.RECIPIENT: "Recipient address",
    Rate.TLS_SESSION: "New TLS session",
    Rate.AUTH: "AUTH command",
}


class SessionState:
    """One client's session, less its replies and counts, which are the loop's.

    - `facts`: what policy sees. `facts.protocol_state` is the verb being answered, as in the log; `facts.recipient` whom it is
      about, forgotten with the answer.
    - `guards`: who watches this session: the restriction lists and others.
    - `wire`: the connection, to read content from and for TLS.
    - `transaction`: there from MAIL to the end of the message.
    - `forwarded`: what XFORWARD told, for the next message.
    - `conversation`: an AUTH under way.
    - `actions`: what policy asked for, for this message.
    - `ehlo_discard`: EHLO keywords that this client is not offered, nor gets without asking, in capitals.
    - `keywords_unknown`: why a table could not say which those are; EHLO does not go on then.
    - `rewrite_context`: whose headers these are, `local` or `remote`.
    - `secrets`: what others may read of the client's lines.
    - `spoiled`: a chunk was refused, with a transaction or without; all up to the last one will be thrown away.
    - `dismissed`: policy wants the session to end with its refusal, whatever the code.
    - `refused`: the client was refused when it came; it may only QUIT.
    - `counted`: its key with the counters of connections, empty where it is not counted; None: it is not known yet who it is.
    """

    __slots__ = (
        "_client_lists", "_trace", "actions", "conversation", "counted", "dismissed", "ehlo_discard", "facts", "forwarded",
        "guards", "keywords_unknown", "line_ends", "ports", "refused", "rewrite_context", "secrets", "settings", "spoiled",
        "transaction", "wire",
    )  # fmt: skip

    def __init__(self, ports: SmtpdPorts, settings: SmtpdSettings, wire: Wire) -> None:
        self.ports = ports
        self.settings = settings
        self.wire = wire
        self.facts = Facts()
        self.facts.shows_port = settings.smtpd_client_port_logging
        self.guards = ports.gates.open(self.facts)
        self.transaction: MailTransaction | None = None
        self.conversation: Conversation | None = None
        self.forwarded: Forwarded | None = None
        self.actions: list[Action] = []
        self.ehlo_discard: frozenset[str] = frozenset()
        self.keywords_unknown: LookupFailure | None = None
        self.line_ends = LineEnds.STRICT
        self.rewrite_context = "remote"
        self.secrets = Secrets(ports.dialect)
        self.spoiled = False
        self.dismissed = False
        self.refused = False
        self.counted: str | None = None
        self._client_lists: dict[str, bool] = {}
        self._trace: tuple[Step, ...] = ()

    @property
    def chunking(self) -> bool:
        """BDAT has begun: neither MAIL nor RCPT nor DATA may follow (RFC 3030 §2)."""
        return self.spoiled or (self.transaction is not None and self.transaction.bdat is not None)

    @property
    def discards(self) -> bool:
        """Policy wants the message accepted and dropped (DISCARD of access(5))."""
        return any(action.kind == "discard" for action in self.actions)

    # --- asking ---

    async def judge(self, stage: ProtocolStage, words: Sequence[str] = ()) -> Outcome | None:
        """Why policy and other guards do not let the client go on, None where they do. What else they ask for is noted and
        logged. `words`: what the client said (admission/port.py, View)."""
        self._trace = ()
        if not self.guards.at[stage] or (self.actions and self.discards):
            return None
        finding = await self.guards.look(stage, words)
        self._trace = finding.trace
        if finding is NOTHING_FOUND:
            return None
        for action in finding.actions:
            self._note_action(action)
        if (kind := _AS_ACTIONS.get(finding.severity)) and self.ports.proxy_filter is not None:
            self.note(f"{finding.gate}: with smtpd_proxy_filter specified, action {upper(kind)} is unavailable", "warning")
        elif kind:
            self._note_action(Action(kind, finding.reason, stage.value, finding.gate, finding.why), finding.word, finding.text)
        self.dismissed |= finding.disconnect
        return finding.outcome

    async def rewrites_as(self) -> str:
        """Whose mail it is where headers are completed, `local` or `remote`: as XFORWARD SOURCE told, else as the client is one of
        ours or not (local_header_rewrite_clients). Raises LookupFailure."""
        if self.forwarded is not None and self.forwarded.context:
            return self.forwarded.context
        logged_in = self.ports.lookups.rewrites_logins and self.facts.sasl_username
        return "local" if logged_in or await self.client_is("local_rewrite") else "remote"

    async def choose_guards(self) -> None:
        """It is known who the client is, and so who guards it (smtpd_milter_maps). Raises LookupFailure."""
        self.guards.at = await self.ports.gates.chosen(self.facts)

    async def learn_discarded(self) -> None:
        """It is known who the client is, and so what it is not offered: smtpd_discard_ehlo_keyword_address_maps, else
        smtpd_discard_ehlo_keywords."""
        found, self.keywords_unknown = None, None
        try:
            found = await self.ports.lookups.discard_keywords(self.facts.client_address)
        except LookupFailure as failure:
            self.keywords_unknown = failure
        words = self.settings.smtpd_discard_ehlo_keywords if found is None else found
        self.ehlo_discard = frozenset(elements(upper(words))) if words else frozenset()

    def _note_action(self, action: Action, word: str = "", text: str = "") -> None:
        """`word`, `text`: of its line in the log, where they are not those of access(5)."""
        held = action.kind == "hold" and any(earlier.kind == "hold" for earlier in self.actions)
        self.actions.append(action)
        if not held and (told := text or _action_text(action)) is not None:
            self.ports.emit(self.judged(word or action.kind, told, action.where, action.why))

    async def client_is(self, name: str) -> bool:
        """Whether the client is in one of the lists of `Lookups`; asked once for each client address. Raises LookupFailure."""
        known = self._client_lists.get(name)
        if known is None:
            known = await getattr(self.ports.lookups, name)(self.facts.client_name, self.facts.client_address)
            self._client_lists[name] = known
        return known

    def is_another_client(self, kept: Collection[str]) -> None:
        """XCLIENT told of another one: nothing of what was found out is about it. `kept`: lists that are about who tells of it."""
        pattern_time.current().client = self.facts.client_address
        self._client_lists = {name: listed for name, listed in self._client_lists.items() if name in kept}
        self.facts.evidence.clear()

    async def within_rate(self, kind: Rate) -> bool:
        """Count one more of these; whether the limit (`smtpd_client_*_rate_limit`) still allows it."""
        limit = self.ports.rate_limits.get(kind, 0)
        if not limit or not self.counted or await self.client_is("event_exceptions"):
            return True
        rate = await self.ports.counters.count(kind, self.ports.name, self.counted)
        if rate > limit:
            what = f"{RATE_NAMES[kind]} rate limit"
            self.ports.emit(LimitExceeded("smtpd", what, rate, self.facts.client, self.ports.name))
        return rate <= limit

    # --- telling ---

    @property
    def offers_requiretls(self) -> bool:
        """Whether the client may ask for TLS on all the way (RFC 8689 §4.1): over TLS, and where no before-queue filter stands in
        it."""
        enabled = self.settings.requiretls_enable and "REQUIRETLS" not in self.ehlo_discard
        return enabled and bool(self.facts.tls_protocol) and self.ports.proxy_filter is None

    def note(self, text: str, severity: str = "") -> None:
        """A line for the log, now."""
        self.ports.emit(Note(service="smtpd", text=text, severity=severity))

    def rejection(self, outcome: Outcome) -> Judged:
        """What the log has of a refusal."""
        word = "milter-reject" if outcome.origin == MILTER else "reject"
        return self.judged(word, reply_of(outcome).logged, why=outcome.why)

    def judged(self, action: str, text: str, where: str = "", why: Reason = UNSAID) -> Judged:
        """`QID: reject: RCPT from client: text; from=<> to=<> proto= helo=<>`."""
        facts = self.facts
        written = AS_LOGGED[self.settings.info_log_address_format]
        context = [f"from=<{written(facts.sender)}>"] if facts.sender is not None else []
        if facts.recipient is not None:
            context.append(f"to=<{written(facts.recipient)}>")
        context.append(f"proto={facts.protocol_name}")
        if facts.helo_name is not None:
            context.append(f"helo=<{facts.helo_name}>")
        return Judged(
            service="smtpd", queue_id=facts.queue_id, action=action, where=where or facts.protocol_state, client=facts.client,
            text=text, context=" ".join(context), why=why, found=facts.evidence.everything(),
        )  # fmt: skip

    # --- who it is ---

    def end_conversation(self) -> None:
        """An AUTH is over, or given up."""
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.close()

    # --- the transaction ---

    def apply(self, effect: Effect) -> None:
        """What an answer does to the transaction."""
        if isinstance(effect, End):
            self.end_transaction()
        elif isinstance(effect, TakeRecipient):
            assert self.transaction is not None
            self.transaction.recipients.append(effect.recipient)
            self.facts.recipient_count += 1
            if self.ports.tells_permits:
                facts = self.facts
                sender, address, why = facts.sender or "", effect.recipient.address, let_in(self._trace)
                found = facts.evidence.everything()
                self.ports.emit(Permitted("smtpd", facts.queue_id, facts.client, sender, address, why, found))
        else:
            self.transaction = effect.transaction

    def end_transaction(self) -> None:
        """Forget sender, recipients and content."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.abort()
        facts = self.facts
        facts.sender = facts.recipient = None
        facts.recipient_count = facts.message_size = 0
        facts.queue_id = facts.instance = facts.body_type = facts.sasl_sender = ""
        facts.smtputf8 = False
        self.spoiled = False
        self.forwarded = None
        self.actions.clear()
        self.guards.reset()


_AS_ACTIONS: Final = {Severity.HOLD: "hold", Severity.QUARANTINE: "hold", Severity.DISCARD: "discard"}
"""What access(5) calls a finding that is no refusal."""

_TRIGGERS: Final = {"hold": "action", "discard": "action", "filter": "", "redirect": "", "bcc": ""}


def _action_text(action: Action) -> str | None:
    """What the log says of an action, None where it says nothing."""
    if action.kind in AS_TOLD:
        return action.value
    if (word := _TRIGGERS.get(action.kind)) is None:
        return None
    if word and action.value:
        return f"{action.what} {action.value}"
    return f"{action.what} triggers {action.kind.upper()} {action.value or word}"
