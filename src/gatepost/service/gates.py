"""Which gates stand where: what a service of master.cf puts before its mail, besides the restriction lists.

Mail of sessions passes those of its smtpd line at every stage; what pickup takes in, and own notices of the classes that
internal_mail_filter_classes names, pass those of mail that does not come by SMTP. Forwarded mail has passed when it came.
"""

from collections.abc import Mapping

from gatepost.admission.gates import Gates
from gatepost.admission.policy_gate import PolicyGate
from gatepost.admission.port import Gate
from gatepost.config.values import split
from gatepost.policy.engine import RestrictionPolicy
from gatepost.service.materials import Materials


def smtpd_gates(materials: Materials, overrides: Mapping[str, str], policy: RestrictionPolicy) -> Gates:
    """Those of a smtpd line, the restriction lists first."""
    return Gates((PolicyGate(policy, policy.silent), *_of_sessions(materials, overrides)), materials.fault)


def non_smtpd_gates(materials: Materials, overrides: Mapping[str, str]) -> Gates:
    """Those of mail that does not come by SMTP. `overrides`: parameters of the service that takes it in, which may want none
    (no_milters of receive_override_options)."""
    options = split(materials.configuration.value("receive_override_options", overrides))
    return Gates(() if "no_milters" in options else _of_own_mail(materials, overrides), materials.fault)


def _of_sessions(materials: Materials, overrides: Mapping[str, str]) -> tuple[Gate, ...]:
    return ()


def _of_own_mail(materials: Materials, overrides: Mapping[str, str]) -> tuple[Gate, ...]:
    return ()
