"""Gates: whoever may look at a session or a message on its way in, and what they say of it.

A guard reports a finding and changes nothing itself; `findings.combine` decides. Policy is a gate; milters, content filters,
signing and verifying are others.
"""

import enum
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol

import msgspec
from msgspec import Struct, structs

from gatepost.admission.edits import Edit
from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope
from gatepost.mail.header import Header
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.reason import UNSAID, Reason, Step, because
from gatepost.policy.port import Action, Facts
from gatepost.queue.port import NewMessage


class ProtocolStage(enum.StrEnum):
    """Where a gate may stand. Those up to END_OF_DATA are stages of an SMTP session (END_OF_DATA: all of the content has come, and
    nothing was made of it yet); the two after it are reached by every message, whoever hands it in. Mail that does not come by
    SMTP passes CONNECT to DATA as if it did (non_smtp.py). UNKNOWN: a command that is none. REFUSED_RCPT: another gate has refused
    a recipient; whatever is found there changes nothing."""

    CONNECT = "CONNECT"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    REFUSED_RCPT = "REFUSED-RCPT"
    VRFY = "VRFY"
    ETRN = "ETRN"
    UNKNOWN = "UNKNOWN"
    DATA = "DATA"
    END_OF_DATA = "END-OF-DATA"
    END_OF_HEADERS = "END-OF-HEADERS"
    END_OF_MESSAGE = "END-OF-MESSAGE"


class Severity(enum.IntEnum):
    """What a finding asks for, the mildest first. DEFER is worse than DISCARD: who is not sure must not lose mail."""

    PASS = 0
    HOLD = 1
    QUARANTINE = 2
    DISCARD = 3
    DEFER = 4
    REFUSE = 5


class Finding(Struct, frozen=True):
    """What a gate says of a stage.

    `gate`: whose finding it is.
    `outcome`: the answer to the client; there is one with DEFER and REFUSE, and with nothing else.
    `reason`, `why`: for our own log.
    `word`, `text`: of its line in the mail log, where they are not those of access(5).
    `told`: the log has it already.
    `edits`: changes of the message, in order; at END_OF_HEADERS and END_OF_MESSAGE only.
    `actions`: what access(5) tables ask for besides permit and reject; a header to put before the message is one (`prepend`).
    `trace`: the rules that spoke.
    `disconnect`: end the session after the reply.
    """

    gate: str = ""
    severity: Severity = Severity.PASS
    outcome: Outcome | None = None
    reason: str = ""
    edits: tuple[Edit, ...] = ()
    actions: tuple[Action, ...] = ()
    trace: tuple[Step, ...] = ()
    disconnect: bool = False
    why: Reason = UNSAID
    word: str = ""
    text: str = ""
    told: bool = False

    def __post_init__(self) -> None:
        if (self.outcome is not None) != (self.severity >= Severity.DEFER):
            raise ValueError("an outcome goes with DEFER and REFUSE, and with nothing else")


NOTHING_FOUND = Finding()


class FailureAction(enum.Enum):
    """What becomes of mail where a gate breaks or takes too long: the words of milter_default_action, `hold` beside them."""

    TEMPFAIL = "tempfail"
    REJECT = "reject"
    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    SHUTDOWN = "shutdown"
    HOLD = "hold"

    def finding(self, gate: str, reason: str) -> Finding:
        """The finding in place of the one that `gate` did not make, which the log is told of whatever the action is."""
        severity, outcome = _FAILED[self]
        why = because(gate, reason=reason)
        told = Action("warn", f"gate {gate}: {reason}: {self.value}", why=why)
        return Finding(gate, severity, outcome and structs.replace(outcome, why=why), reason, actions=(told,))


_UNAVAILABLE = Outcome(Class.TEMPORARY, "4.7.1", "Service unavailable - try again later", code=451, origin="software")
_REFUSED = Outcome(Class.PERMANENT, "5.5.0", "Service unavailable", code=550, origin="software")
_LEAVING = Outcome(Class.TEMPORARY, "4.7.0", "Server closing connection", code=421, origin="software")
_FAILED: dict[FailureAction, tuple[Severity, Outcome | None]] = {
    FailureAction.TEMPFAIL: (Severity.DEFER, _UNAVAILABLE),
    FailureAction.REJECT: (Severity.REFUSE, _REFUSED),
    FailureAction.ACCEPT: (Severity.PASS, None),
    FailureAction.QUARANTINE: (Severity.QUARANTINE, None),
    FailureAction.SHUTDOWN: (Severity.DEFER, _LEAVING),
    FailureAction.HOLD: (Severity.HOLD, None),
}


class Origin(Struct, frozen=True):
    """Where a message comes from.

    `service`: who takes it in (`smtpd`, `pickup`, `bounce`, `local` ...).
    `client`: `name[address]`, for the log; empty where there was none.
    `context`: by which rules incomplete addresses in headers are completed, `local` or `remote`.
    `facts`: of the session that hands it in, and what was found out there; of mail that does not come by SMTP, what its envelope
    tells of where it came from.
    """

    service: str
    client: str = ""
    context: str = "local"
    facts: Facts = msgspec.field(default_factory=Facts)


class ReadableDraft(Protocol):
    """A message on its way in, as gates see it."""

    @property
    def queue_id(self) -> QueueId: ...

    @property
    def origin(self) -> Origin: ...

    @property
    def given(self) -> Envelope:
        """The envelope as it was handed in."""
        ...

    @property
    def envelope(self) -> Envelope: ...

    @property
    def headers(self) -> Sequence[Header]: ...

    def body(self) -> Iterator[bytes]:
        """The octets after the empty line. Raises OSError."""
        ...

    def spare(self) -> BinaryIO:
        """A file for octets that may become the body; it goes when it is closed. Raises OSError."""
        ...

    def content(self) -> Content:
        """The message as it is now, to be read as long as nobody changes it."""
        ...


class View:
    """What a guard sees of the session that it watches.

    - `facts`: of the client and its message so far. `facts.evidence` is what was found out, to read and to add to.
    - `words`: what the client said at this stage. HELO, VRFY, ETRN: the argument; MAIL, RCPT: the path and the parameters after
      it; UNKNOWN: the line; else nothing.
    - `refusal`: how the recipient was refused, at REFUSED_RCPT.
    - `draft`: the message, from END_OF_HEADERS on.
    """

    __slots__ = ("draft", "facts", "refusal", "words")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.words: Sequence[str] = ()
        self.draft: ReadableDraft | None = None
        self.refusal: Outcome | None = None


class Guard(Protocol):
    """Who stands at a gate for one session: a milter, say, keeps its connection here. What it keeps for one message it forgets at
    `reset`. It is asked one thing at a time."""

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        """What it says of a stage. Where this raises, is cancelled or takes too long, the guard tidies up after itself: it is asked
        again at the next stage. Raises LookupFailure, and what is to have the gate's failure action."""
        ...

    def reset(self) -> None:
        """The message is over, whatever became of it: taken, refused, or given up (RSET, HELO). Also called where none had
        begun."""
        ...

    def close(self) -> None:
        """The session is over, or becomes that of another client (XCLIENT)."""
        ...


class Gate(Protocol):
    """Where a guard stands, the same for all sessions of a service.

    - `name`: for the log.
    - `stages`: at which it has something to say.
    - `time_limit`: seconds for one look; None: each thing that it waits for has a limit of its own.
    - `on_failure`: what counts where it raises, takes longer, or asks for an edit that cannot be.
    """

    @property
    def name(self) -> str: ...

    @property
    def stages(self) -> frozenset[ProtocolStage]: ...

    @property
    def time_limit(self) -> float | None: ...

    @property
    def on_failure(self) -> FailureAction: ...

    def guard(self) -> Guard:
        """Somebody for a new session."""
        ...


class Stateless:
    """A gate whose guard keeps nothing, and so is the same for all sessions: its `look` is all that is missing."""

    __slots__ = ()

    def guard(self) -> Any:
        """Itself: whoever derives from this has a `look`."""
        return self

    def reset(self) -> None: ...

    def close(self) -> None: ...


class Admitted(Struct, frozen=True):
    """How the way in ended.

    - `outcome`: why the message is refused; None: it is durable, or discarded, and well so.
    - `returned`: the header, with its envelope, of a refused message that has to go back to its sender.
    - `disconnect`: a gate wants the session to end after the reply.
    """

    outcome: Outcome | None = None
    returned: NewMessage | None = None
    disconnect: bool = False


TAKEN = Admitted()
