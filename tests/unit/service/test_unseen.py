"""What is configured and not there fails closed: such a configuration is not served, unless it says that it is known."""

from pathlib import Path

import pytest

from gatepost.config import doors
from gatepost.config.configuration import ConfigurationError
from gatepost.config.parameters import PARAMETERS, Support
from gatepost.service.unseen import load_to_serve

MASTER = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"


def refused(path: Path, main: str, master: str = MASTER) -> list[str]:
    (path / "main.cf").write_text("compatibility_level = 3.6\n" + main)
    (path / "master.cf").write_text(master)
    try:
        load_to_serve(path)
    except ConfigurationError as error:
        return [f"{Path(fault.file).name}, {fault.line}: {fault.text} ({fault.remedy})" for fault in error.faults]
    return []


CHOICE = "to have mail served without it: gatepost_accept_missing ="


@pytest.mark.parametrize("name", doors.PARAMETERS)
def test_a_parameter_that_is_a_door(tmp_path: Path, name: str) -> None:
    value = "yes" if name == "filter_before_queue" else "inet:127.0.0.1:11332"
    (told,) = refused(tmp_path, f"{name} = {value}\n")
    assert told == f"main.cf, 2: parameter {name} is not implemented yet: {doors.PARAMETERS[name]} (remove it; {CHOICE} {name})"
    (told,) = refused(tmp_path, "", MASTER + f"25 inet n - n - - smtpd -o {name}={value}\n")
    assert told.startswith(f"master.cf, 3: parameter {name} ")
    assert refused(tmp_path, f"{name} = {value}\ngatepost_accept_missing = other, {name}\n") == []
    assert refused(tmp_path, f"{name} = $nothing_there\n" if value != "yes" else f"{name} = no\n") == []


@pytest.mark.parametrize(
    "action",
    ["reject", "DUNNO", "defer_if_permit", "554 5.7.1 no", "HOLD", "HOLD probably forged", "known", "reject_plaintext_session"],
)
def test_actions_of_spf_are_those_of_access_tables(tmp_path: Path, action: str) -> None:
    classes = "smtpd_restriction_classes = known\nknown = permit\n"
    assert refused(tmp_path, f"{classes}spf_softfail_action = {action}\n") == []


def test_an_action_of_spf_that_nobody_knows(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, "spf_softfail_action = rejekt\n")
    assert told.startswith('main.cf, 2: unknown smtpd restriction: "rejekt" (perhaps you mean reject')


def test_a_policy_server_takes_no_mail_and_needs_no_lists(tmp_path: Path) -> None:
    assert refused(tmp_path, "", MASTER + "10031 inet n - n - - spf -o smtpd_recipient_restrictions=nonsense\n") == []


@pytest.mark.parametrize(
    ("lists", "unknown"),
    [
        ("smtpd_client_restrictions = permit_mynetworks, rejct_unknown_client", "rejct_unknown_client"),
        ("smtpd_client_restrictions = warn_if_reject rejct", "rejct"),
        ("smtpd_restriction_classes = ours\nours = rejct\nsmtpd_client_restrictions = ours", "rejct"),
        ("smtpd_client_restrictions = inline:{{10.0.0.1=REJCT go away}}", "REJCT"),
        ("smtpd_client_restrictions = check_client_access inline:{{10.0.0.1=OK}, {10.0.0.2 = permit_mynetworks, rejct}}", "rejct"),
        ("smtpd_helo_restrictions = check_helo_access static:REJCT", "REJCT"),
        ("smtpd_data_restrictions = check_sender_access static:{rejct, permit}", "rejct"),
        ("smtpd_client_restrictions = reject_rbl_client", "reject_rbl_client"),
    ],
)
def test_restrictions_and_actions_that_nobody_knows(tmp_path: Path, lists: str, unknown: str) -> None:
    told = refused(tmp_path, lists + "\n")
    assert any(f"{CHOICE} {unknown})" in one for one in told)
    names = ", ".join([unknown, "go", "away"])
    assert refused(tmp_path, f"{lists}\ngatepost_accept_missing = {names}\n") == []


@pytest.mark.parametrize(
    "lists",
    [
        "smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname",
        "smtpd_client_restrictions = inline:{{10.0.0.1=REJECT go away}, {10.0.0.2=450 4.7.1 later}, 10.0.0.3=1234, 10.0.0.4=DUNNO}",
        "smtpd_client_restrictions = check_client_access inline:{{10.0.0.2 = permit_mynetworks, reject}}",
        "smtpd_client_restrictions = check_client_access hash:/no/such/file, check_client_access ldap:nothing",
        "smtpd_sender_restrictions = reject_unverified_sender",
        "smtpd_client_restrictions = check_policy_service greylist",
        "smtpd_sasl_auth_enable = yes\nsmtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination",
        "virtual_alias_maps = ldap:users, proxy:mysql:/etc/x.cf",
        "debug_peer_list = 127.0.0.1\nsmtp_pix_workarounds = disable_esmtp\nmilter_default_action = accept",
    ],
)
def test_what_fails_closed_by_itself_or_does_no_harm_is_served(tmp_path: Path, lists: str) -> None:
    assert refused(tmp_path, lists + "\n") == []


def test_only_what_is_not_there_is_a_door() -> None:
    """Whoever implements one takes it off the list."""
    assert [name for name in doors.PARAMETERS if PARAMETERS[name].support is not Support.NOT_YET] == []
