"""Which services PAM may be asked about: smtpd_sasl_service of those smtpd services whose smtpd_auth_backends has `pam`."""

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.programs import program


class PamGrant(Struct, frozen=True):
    """`services`: names of PAM services; `at_once`: questions at one time."""

    services: frozenset[str] = frozenset()
    at_once: int = 1


class _Settings(Struct, frozen=True):
    smtpd_auth_backends: str
    smtpd_auth_pam_process_limit: int
    smtpd_sasl_service: str


def pam_grant(configuration: Configuration) -> PamGrant:
    """What a configuration has a use for."""
    taking = [entry for entry in configuration.services if program(entry.program).takes_mail]
    views = [configuration.view(_Settings, entry.overrides) for entry in taking]
    asking = [view for view in views if "pam" in view.smtpd_auth_backends.replace(",", " ").split()]
    limit = max((view.smtpd_auth_pam_process_limit for view in asking), default=1)
    return PamGrant(frozenset(view.smtpd_sasl_service for view in asking), limit)
