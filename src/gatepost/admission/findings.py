"""Findings of many gates made into one: the severest wins, edits apply in the gates' order."""

from collections.abc import Sequence

from gatepost.admission.port import NOTHING_FOUND, Finding


def combine(findings: Sequence[Finding]) -> Finding:
    """The finding of all of them, given in the gates' order; of equals the first decides. What they want changed, done and told is
    kept whoever decides, and whoever wants the session ended has it ended."""
    if not findings:
        return NOTHING_FOUND
    if len(findings) == 1:
        return findings[0]
    decides = max(findings, key=lambda finding: finding.severity)
    return Finding(
        decides.gate,
        decides.severity,
        decides.outcome,
        decides.reason,
        edits=tuple(edit for finding in findings for edit in finding.edits),
        actions=tuple(action for finding in findings for action in finding.actions),
        trace=tuple(step for finding in findings for step in finding.trace),
        disconnect=any(finding.disconnect for finding in findings),
        why=decides.why,
        word=decides.word,
        text=decides.text,
        told=decides.told,
    )
