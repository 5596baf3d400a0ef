"""Run Gatepost with a gate of a test's own before all mail; a prefix of its command: `gated.py PYTHON -m gatepost.cli ARGUMENT…`.

The gate finds out each stage that it sees, and adds a header that names them: `X-Passed: CONNECT HELO MAIL RCPT DATA …`. Where
GATED is `STAGE ACTION` it does that at the stage: `refuse`, `raise`, or `hang` (its time limit is a second).
"""

import asyncio
import os
import sys

from msgspec import Struct

from gatepost import cli
from gatepost.admission.edits import AddHeader
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, Severity, Stateless, View
from gatepost.mail.outcome import Class, Outcome
from gatepost.service import gates

NO = Outcome(Class.PERMANENT, "5.7.1", "the gate says no", 550)


class Seen(Struct, frozen=True):
    """A stage."""

    stage: str


class Telling(Stateless):
    name = "telling"
    stages = frozenset(ProtocolStage)
    time_limit = 1.0
    on_failure = FailureAction.TEMPFAIL

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        at, _, action = os.environ.get("GATED", "").partition(" ")
        if at == stage.value:
            if action == "hang":
                await asyncio.sleep(60)
            if action == "raise":
                raise ZeroDivisionError("on purpose")
            return Finding(self.name, Severity.REFUSE, NO)
        evidence = view.facts.evidence
        evidence.add(Seen(stage.value))
        if stage is not ProtocolStage.END_OF_MESSAGE:
            return NOTHING_FOUND
        passed = " ".join(seen.stage for seen in evidence.all(Seen))
        return Finding(self.name, edits=(AddHeader(b"X-Passed", passed.encode()),))


class InPlaceOfMilters:
    """Where milters would be named, the gate is."""

    def __init__(self, *_: object) -> None:
        pass

    def by_client(self) -> None:
        """No client has gates of its own."""

    def listed(self, parameter: str) -> tuple[Telling, ...]:
        return (Telling(),)


def run() -> int:
    """The command, with the gate in its place."""
    vars(gates)["Milters"] = InPlaceOfMilters
    sys.argv = ["gatepost", *sys.argv[4:]]
    return cli.main()


if __name__ == "__main__":
    sys.exit(run())
