"""Reason: which rule decided, what it looked up and where, and what it found there."""

from msgspec import Struct

TEXT_LIMIT = 200
"""Characters of each text of a reason: a table may answer with, and a client may send, as much as they like."""

STEPS_LIMIT = 64
"""Steps of a trace; of a longer one the last are kept, which are next to the decision."""


class Step(Struct, frozen=True):
    """One rule that was asked on the way to a decision.

    - `rule`: as configured, `check_client_access hash:/etc/postfix/access`.
    - `result`: what it said: `dunno`, `permit`, `reject`, or the answer of a table or server.
    - `table`, `key`: as in Reason.
    """

    rule: str
    result: str
    table: str = ""
    key: str = ""


class Reason(Struct, frozen=True, omit_defaults=True):
    """Why something was decided: for our own log, the console and `gatepost explain`, never for a client.

    - `rule`: the rule that decided: a restriction as configured, a parameter (`header_checks`), a stage of a delivery (`RCPT TO`).
    - `table`: what was asked: a table (`hash:/etc/postfix/access`), a DNS list, `DNS`, a policy server, the next hop.
    - `key`: what was looked up there, or looked at where nothing was looked up.
    - `reason`: what was found, or why there is nothing: the table's answer, the server's reply, the fault.
    - `trace`: all that was asked before, in order.
    - `line`: of the file that `table` is, where a rule of a pattern or network table decided; 0: not known.
    """

    rule: str = ""
    table: str = ""
    key: str = ""
    reason: str = ""
    trace: tuple[Step, ...] = ()
    line: int = 0

    def __bool__(self) -> bool:
        return self is not UNSAID


UNSAID = Reason()
"""Of what needs no reason: a success, a reply that the protocol itself calls for."""


def let_in(trace: tuple[Step, ...]) -> Reason:
    """Why something was accepted after these steps: the last rule that had anything to say."""
    trace = trace[-STEPS_LIMIT:]
    step = next((step for step in reversed(trace) if step.result.lower() != "dunno"), None)
    if step is None:
        return Reason(reason="no rule refuses it", trace=trace)
    return Reason(step.rule, step.table, step.key, step.result, trace)


def shown(text: str) -> str:
    """`text` as it stands in a reason: cut at TEXT_LIMIT."""
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 3]}..."


def because(rule: str, table: str = "", key: str = "", reason: str = "", line: int = 0) -> Reason:
    """A reason of texts of any length."""
    if len(rule) + len(table) + len(key) + len(reason) <= TEXT_LIMIT:  # nearly always
        return Reason(rule, table, key, reason, line=line)
    return Reason(shown(rule), shown(table), shown(key), shown(reason), line=line)
