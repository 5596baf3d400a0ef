"""The brake for stolen passwords of a service, put together: the gate before its mail, notices, and the counting of bounces."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from gatepost.admission.brake_gate import BrakeGate
from gatepost.admission.port import FailureAction
from gatepost.config.configuration import ConfigurationError
from gatepost.events.records import Emit, Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.mail.submission import Submit
from gatepost.policy.brake import texts
from gatepost.policy.brake.brake import Brake
from gatepost.policy.brake.counts import Measure
from gatepost.policy.brake.judge import limits_of
from gatepost.policy.brake.settings import BrakeSettings
from gatepost.queue.bounce_count import CountedBounces
from gatepost.queue.port import Notifier
from gatepost.service.materials import Materials
from gatepost.service.session_notice import SessionNotices, SessionNoticeSettings
from gatepost.state.port import StateUnavailable


class SubmissionSettings(Struct, frozen=True):
    """Whether anybody may log in, and who is told."""

    smtpd_sasl_auth_enable: bool
    smtpd_authorized_xclient_hosts: str
    smtpd_proxy_filter: str
    submission_default_action: str
    submission_limit_exceptions: str
    submission_notify: tuple[str, ...]


def brake_gate(materials: Materials, overrides: Mapping[str, str], tables: Tables, emit: Emit, notify: Submit) -> BrakeGate | None:
    """The gate of a smtpd service; None where no limit is set, or nobody can have logged in. `notify`: takes in notices. Raises
    ConfigurationError."""
    configuration = materials.configuration
    settings = configuration.view(SubmissionSettings, overrides)
    limits = configuration.view(BrakeSettings, overrides)
    if not limits_of(limits) or not (settings.smtpd_sasl_auth_enable or settings.smtpd_authorized_xclient_hosts):
        return None
    if settings.smtpd_proxy_filter:
        told = "no limit of submission_* holds for a service with smtpd_proxy_filter: its mail is the filter's"
        remedy = "use a milter there, or a content_filter"
        raise ConfigurationError([configuration.fault(limits_of(limits)[0].parameter, told, remedy, overrides)])
    name = "submission_limit_exceptions"
    exempt = MatchList.strings(settings.submission_limit_exceptions, tables, name, tables.warn)
    notices = SessionNotices(configuration.view(SessionNoticeSettings, overrides), notify, materials.clock, emit)
    brake = Brake(limits, materials.state, materials.clock)
    on_failure = FailureAction(settings.submission_default_action)
    return BrakeGate(brake, exempt.matches, _teller(settings.submission_notify, notices, emit), on_failure)


def _teller(wanted: tuple[str, ...], notices: SessionNotices, emit: Emit) -> Callable[[str, str], None]:
    def blocked(login: str, why: str) -> None:
        told = f"mail of {login} is held until somebody says otherwise (gatepost submission): {why}"
        emit(Note("smtpd", told, "warning"))
        if "postmaster" in wanted:
            notices(texts.subject(login), texts.to_postmaster(login, why))
        if "user" in wanted and texts.is_address(login):
            notices(texts.subject(login), texts.to_user(login, why), to=login)

    return blocked


def counting_bounces(materials: Materials, notifier: Notifier) -> Notifier:
    """The notifier, with what comes back counted where a service has a limit for it. Raises ConfigurationError."""
    configuration = materials.configuration
    views = [configuration.view(BrakeSettings, entry.overrides) for entry in configuration.services if entry.program == "smtpd"]
    if not any(limit.measure is Measure.BOUNCE for view in views for limit in limits_of(view)):
        return notifier
    brake = Brake(configuration.view(BrakeSettings), materials.state, materials.clock)

    async def count(login: str, number: int) -> None:
        try:
            await brake.bounced(login, number)
        except StateUnavailable as error:
            materials.emit(Note("qmgr", f"{number} bounces of mail of {login} are not counted: {error}", "warning"))

    return CountedBounces(notifier, count)
