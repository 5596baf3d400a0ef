"""Which gates stand where: what a service of master.cf puts before its mail, besides the restriction lists.

Mail of sessions passes those of its smtpd line at every stage; what pickup takes in, and own notices of the classes that
internal_mail_filter_classes names, pass those of mail that does not come by SMTP. Forwarded mail has passed when it came.
"""

from collections.abc import Mapping, Sequence

from gatepost.admission.gates import Choose, Gates
from gatepost.admission.policy_gate import PolicyGate
from gatepost.admission.port import Gate
from gatepost.config.values import split
from gatepost.events.records import Emit
from gatepost.lookup.registry import Tables
from gatepost.policy.engine import RestrictionPolicy
from gatepost.policy.port import Facts
from gatepost.service.content_filter import filter_gate
from gatepost.service.materials import Materials
from gatepost.service.milters import Milters


def smtpd_gates(
    materials: Materials, overrides: Mapping[str, str], policy: RestrictionPolicy, tables: Tables, emit: Emit, brake: Gate | None
) -> Gates:
    """Those of a smtpd line, the restriction lists first; the content filter after the milters. `brake`: the last, if there is one,
    so that it counts what nobody else refuses. Raises ConfigurationError."""
    gate = PolicyGate(policy, policy.silent)
    last: tuple[Gate, ...] = tuple(one for one in (filter_gate(materials, overrides, tables, emit), brake) if one is not None)
    if not _wants_milters(materials, overrides):
        return Gates((gate, *last), materials.fault)
    milters = Milters(materials, overrides, "smtpd", tables, emit)
    choose = milters.by_client()
    if choose is None:
        return Gates((gate, *milters.listed("smtpd_milters"), *last), materials.fault)
    return Gates((gate,), materials.fault, _followed_by(last, choose) if last else choose)


def _followed_by(last: tuple[Gate, ...], choose: Choose) -> Choose:
    """The gates of a client, and others behind them."""

    async def chosen(facts: Facts) -> Sequence[Gate]:
        return *await choose(facts), *last

    return chosen


def non_smtpd_gates(materials: Materials, overrides: Mapping[str, str]) -> Gates:
    """Those of mail that does not come by SMTP. `overrides`: parameters of the service that takes it in. Raises
    ConfigurationError."""
    tables = materials.tables("cleanup", overrides=overrides)
    own = filter_gate(materials, overrides, tables, materials.emit)
    last = () if own is None else (own,)
    if not _wants_milters(materials, overrides):
        return Gates(last, materials.fault)
    milters = Milters(materials, overrides, "cleanup", tables, materials.emit)
    return Gates((*milters.listed("non_smtpd_milters"), *last), materials.fault)


def _wants_milters(materials: Materials, overrides: Mapping[str, str]) -> bool:
    return "no_milters" not in split(materials.configuration.value("receive_override_options", overrides))
