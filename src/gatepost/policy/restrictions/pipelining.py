"""Clients that do not wait for our reply where they must (RFC 2920 §3.1)."""

from gatepost.policy.evaluation import DUNNO, Decision, Evaluation
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_unauth_pipelining(e: Evaluation, _: None) -> Decision:
    if not e.facts.unauth_pipelining:
        return DUNNO
    e.looked_up("", e.facts.client)
    return e.refuse(503, "5.5.0", f"{e.subject} rejected: Improper use of SMTP command pipelining", "protocol")


ROWS: Rows = {"reject_unauth_pipelining": Row(reject_unauth_pipelining)}
