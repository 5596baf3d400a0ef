"""The restriction lists of a service (SMTPD_ACCESS_README): their names, and whether they keep strangers from relaying."""

from collections.abc import Iterable, Mapping
from typing import Final

from gatepost.policy.compiler import Compiler, run_class
from gatepost.policy.evaluation import Rule
from gatepost.policy.settings import PolicySettings

Lists = Mapping[str, tuple[Rule, ...]]
"""Rules by parameter."""

RELAY: Final = "smtpd_relay_restrictions"
RECIPIENT: Final = "smtpd_recipient_restrictions"

# What a bare type:table means in each list; DATA and end-of-data lists must say what they look up.
_BARE_TABLE: Final = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    RECIPIENT: "check_recipient_access",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
    "smtpd_etrn_restrictions": "check_etrn_access",
    RELAY: "check_recipient_access",
}

GUARDS: Final = (
    "reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit", "check_relay_domains",
)  # fmt: skip
"""One of these must stand in the relay or recipient list, or this is an open relay."""


def compile_lists(compiler: Compiler, settings: PolicySettings) -> Lists:
    """All lists; what is wrong with them is in `compiler.faults` afterwards."""
    return {name: compiler.compile(getattr(settings, name), name, table) for name, table in _BARE_TABLE.items()}


def are_guarded(lists: Lists) -> bool:
    """Whether they can refuse strangers' relaying in earnest."""
    return _guards(lists[RELAY]) or _guards(lists[RECIPIENT])


def _guards(rules: Iterable[Rule]) -> bool:
    return any(
        not rule.warn_only and (rule.name in GUARDS or (rule.check is run_class and _guards(rule.argument))) for rule in rules
    )
