"""Which services PAM may be asked about: smtpd_sasl_service of those smtpd services that let users log in, and
whose smtpd_auth_backends has `pam`."""

from typing import Final

from msgspec import Struct

from gatepost.auth.backends.choice import words
from gatepost.config.configuration import Configuration
from gatepost.config.programs import program

_TIMES: Final = 10
"""The limit is that of the guard times this: a user has a count of his own in each network that he comes from."""


class PamGrant(Struct, frozen=True):
    """`services`: names of PAM services; `at_once`: questions at one time; `guesses`: wrong passwords of a user within `time_unit`
    seconds, 0 for no limit."""

    services: frozenset[str] = frozenset()
    at_once: int = 1
    guesses: int = 0
    time_unit: float = 3600.0


class _Settings(Struct, frozen=True):
    smtpd_auth_backends: str
    smtpd_auth_guess_time_unit: int
    smtpd_auth_pam_process_limit: int
    smtpd_auth_user_guess_limit: int
    smtpd_sasl_auth_enable: bool
    smtpd_sasl_service: str


def pam_grant(configuration: Configuration) -> PamGrant:
    """What a configuration has a use for."""
    taking = [entry for entry in configuration.services if program(entry.program).takes_mail]
    views = [configuration.view(_Settings, entry.overrides) for entry in taking]
    asking = [view for view in views if view.smtpd_sasl_auth_enable and "pam" in words(view.smtpd_auth_backends)]
    limit = max((view.smtpd_auth_pam_process_limit for view in asking), default=1)
    guesses = [_TIMES * view.smtpd_auth_user_guess_limit for view in asking]
    unit = min((view.smtpd_auth_guess_time_unit for view in asking), default=1)
    most = max(guesses) if guesses and all(guesses) else 0
    return PamGrant(frozenset(view.smtpd_sasl_service for view in asking), limit, most, unit)
