"""Which gates stand where: what a service of master.cf puts before its mail, besides the restriction lists.

Mail of sessions passes those of its smtpd line at every stage; what pickup takes in, and own notices of the classes that
internal_mail_filter_classes names, pass those of mail that does not come by SMTP. Forwarded mail has passed when it came.
"""

from collections.abc import Mapping

from gatepost.admission.gates import Gates
from gatepost.admission.policy_gate import PolicyGate
from gatepost.config.values import split
from gatepost.events.records import Emit
from gatepost.lookup.registry import Tables
from gatepost.policy.engine import RestrictionPolicy
from gatepost.service.materials import Materials
from gatepost.service.milters import Milters


def smtpd_gates(materials: Materials, overrides: Mapping[str, str], policy: RestrictionPolicy, tables: Tables, emit: Emit) -> Gates:
    """Those of a smtpd line, the restriction lists first. Raises ConfigurationError."""
    gate = PolicyGate(policy, policy.silent)
    if not _wants_milters(materials, overrides):
        return Gates((gate,), materials.fault)
    milters = Milters(materials, overrides, "smtpd", tables, emit)
    choose = milters.by_client()
    return Gates((gate,) if choose is not None else (gate, *milters.listed("smtpd_milters")), materials.fault, choose)


def non_smtpd_gates(materials: Materials, overrides: Mapping[str, str]) -> Gates:
    """Those of mail that does not come by SMTP. `overrides`: parameters of the service that takes it in. Raises
    ConfigurationError."""
    if not _wants_milters(materials, overrides):
        return Gates((), materials.fault)
    milters = Milters(materials, overrides, "cleanup", materials.tables("cleanup", overrides=overrides), materials.emit)
    return Gates(milters.listed("non_smtpd_milters"), materials.fault)


def _wants_milters(materials: Materials, overrides: Mapping[str, str]) -> bool:
    return "no_milters" not in split(materials.configuration.value("receive_override_options", overrides))
