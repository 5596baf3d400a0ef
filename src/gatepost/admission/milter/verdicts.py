"""What a filter's verdict means for the mail, in the words that Postfix has for it."""

import re
from typing import Final

from gatepost.admission.port import Finding, ProtocolStage, Severity
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, because
from gatepost.proto.milter.answers import Answer, Verdict

ORIGIN: Final = "milter"
"""Who decided, in an outcome."""

_TEXTS: Final = {
    Verdict.REJECT: (550, "5.7.1", "Command rejected"),
    Verdict.TEMPFAIL: (451, "4.7.1", "Service unavailable - try again later"),
    Verdict.SHUTDOWN: (421, "4.7.0", "Server closing connection"),
}
_PERCENT: Final = re.compile("%(.?)")
_STATUS: Final = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")
REFUSES: Final = frozenset((*_TEXTS, Verdict.REPLY))
"""Verdicts that are a refusal."""


def refused(answer: Answer, why: Reason) -> Finding:
    """The finding of a verdict that refuses."""
    if answer.verdict is Verdict.REPLY:
        return refusal(_replied(answer.reply), why)
    code, enhanced, text = _TEXTS[answer.verdict]
    return refusal((code, enhanced, text), why)


def refusal(reply: tuple[int, str, str], why: Reason) -> Finding:
    """A refusal in these words: (code, enhanced status code, text)."""
    code, enhanced, text = reply
    temporary = code < 500
    outcome = Outcome(Class.TEMPORARY if temporary else Class.PERMANENT, enhanced, text, code, why, origin=ORIGIN)
    return Finding(ORIGIN, Severity.DEFER if temporary else Severity.REFUSE, outcome, why=why, word="milter-reject")


def _replied(lines: tuple[str, ...]) -> tuple[int, str, str]:
    """A reply of a filter's own. An enhanced status code that all lines begin with is told once. What a `%` stands before is told
    without it: filters write `%%` for one."""
    texts = [_PERCENT.sub(r"\1", line[4:]) for line in lines]
    words = [text.partition(" ") for text in texts]
    enhanced = words[0][0]
    if not _is_status(enhanced) or any(word[0] != enhanced for word in words):
        return int(lines[0][:3]), "", "\n".join(texts)
    return int(lines[0][:3]), enhanced, "\n".join(word[2] for word in words)


def _is_status(text: str) -> bool:
    """Whether `text` is an enhanced status code (RFC 3463 §2)."""
    return _STATUS.fullmatch(text) is not None


def held(why: Reason) -> Finding:
    """Quarantine: the hold queue."""
    reason = why.reason or "milter triggers HOLD action"
    return Finding(
        ORIGIN, Severity.QUARANTINE, reason=reason, why=why, word="milter-hold", text="milter triggers HOLD action"
    )  # fmt: skip


def discarded(why: Reason) -> Finding:
    """The message is taken and thrown away."""
    text = "milter triggers DISCARD action"
    return Finding(ORIGIN, Severity.DISCARD, reason=text, why=why, word="milter-discard", text=text)


def reason(name: str, stage: ProtocolStage, what: str) -> Reason:
    """Why: a filter, the stage, and what it said."""
    return because("milter", name, stage.value, what)
