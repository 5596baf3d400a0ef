"""reject_unverified_*: address probes (ADDRESS_VERIFICATION_README) are not there yet; such a restriction refuses with 451.

Passing it over would accept what its owner wants refused.
"""

from gatepost.policy.evaluation import Decision, Evaluation
from gatepost.policy.restrictions.rows import Row, Rows


def _not_yet(name: str) -> Row:
    async def check(e: Evaluation, _: None) -> Decision:
        e.warn(f"restriction {name}: address verification is not implemented yet; remove the restriction")
        return e.server_error()

    return Row(check)


ROWS: Rows = {name: _not_yet(name) for name in ("reject_unverified_sender", "reject_unverified_recipient")}
