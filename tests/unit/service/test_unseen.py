"""What is configured and not there fails closed: such a configuration is not served, unless it says that it is known."""

from pathlib import Path

import pytest

from gatepost.config.configuration import ConfigurationError
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


FILTERED = "filter_before_queue = yes\n"


@pytest.mark.parametrize(
    ("main", "told"),
    [
        ("content_filter = smtp:[127.0.0.1]:10024\n", "content_filter = smtp:[127.0.0.1]:10024: its mail would be filtered twice"),
        ("smtpd_proxy_filter = 127.0.0.1:10024\n", "its mail is the filter's, and would not be filtered here"),
        ("filter_tag2_level = many\n", 'filter_tag2_level: "many" is no number of points'),
        ("filter_kill_level = nan\n", 'filter_kill_level: "nan" is no number of points'),
        ("filter_spam_scanner = spamd\n", "filter_spam_scanner"),
        ("filter_spam_scanner = spamd:127.0.0.1:nosuchport\n", "filter_spam_scanner"),
        ("filter_spam_scanner = internal:x\n", "filter_spam_scanner"),
    ],
)
def test_a_filter_that_cannot_be(tmp_path: Path, main: str, told: str) -> None:
    (fault,) = refused(tmp_path, FILTERED + main)
    assert told in fault
    assert fault.startswith("main.cf, ")
    assert refused(tmp_path, main) == []
    (fault,) = refused(tmp_path, main, MASTER + "25 inet n - n - - smtpd -o filter_before_queue=yes\n")
    assert told in fault


def test_a_service_has_one_filter_and_another_has_another(tmp_path: Path) -> None:
    main = "content_filter = smtp:[127.0.0.1]:10024\n"
    master = MASTER + "25 inet n - n - - smtpd -o filter_before_queue=yes -o content_filter=\n"
    assert refused(tmp_path, main, master) == []


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
