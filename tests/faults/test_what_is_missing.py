"""What is configured and not there: it is not served, or mail that needs it waits. Nothing passes unseen, and the log says so."""

import smtplib

import pytest

from tests.support.running import MASTER, System

SECOND = MASTER + "127.0.0.1:{second} inet n - n - "


@pytest.mark.parametrize(
    ("main", "master", "told"),
    [
        ({"filter_before_queue": "yes", "content_filter": "smtp:[127.0.0.1]"}, MASTER, "its mail would be filtered twice"),
        ({"smtpd_client_restrictions": "rejct"}, MASTER, 'unknown smtpd restriction: "rejct"'),
        ({}, SECOND + "- smtpd -o filter_before_queue=yes -o filter_kill_level=much\n", "filter_kill_level"),
        ({}, SECOND + "- smtpd -o smtpd_client_restrictions=permit_mynetworks, reject\n",
         "unexpected command-line argument: reject"),
    ],
)  # fmt: skip
def test_start_and_reload_refuse_what_mail_would_pass_unseen(main: dict[str, str], master: str, told: str) -> None:
    with System() as system:
        good = system.main
        system.configure(main, master)
        refused = system.command("reload")
        assert refused.returncode != 0
        assert told in refused.stderr
        system.reload()
        assert told in system.logged("error: reload refused, the old configuration keeps running")
        assert system.greets()
        system.stop()
        refused = system.command("start")
        assert refused.returncode != 0
        assert told in refused.stderr
        assert not system.greets()
        system.main = good
        system.configure({}, MASTER)
        system.start()
        assert system.greets()


def test_what_is_known_to_be_missing_is_served_with_a_warning() -> None:
    with System() as system:
        system.configure({"multi_instance_wrapper": "/bin/true"})
        assert system.command("reload").returncode == 0
        system.logged("warning", "parameter multi_instance_wrapper is known but not implemented yet")
        assert system.greets()


@pytest.mark.parametrize(
    "kind", ["ldap", "mysql", "pgsql", "sqlite", "memcache", "socketmap", "tcp", "mongodb", "nisplus", "nosuch"]
)
def test_mail_that_needs_a_table_that_cannot_be_opened_waits(kind: str) -> None:
    """Its type is not there, or its parameters are not."""
    main = {"virtual_alias_maps": f"{kind}:nowhere", "virtual_alias_domains": "alias.example"}
    with System(main) as system:
        with smtplib.SMTP("127.0.0.1", system.port, timeout=30) as client:
            client.ehlo("client.example")
            client.mail("a@client.example")
            assert client.rcpt("b@alias.example")[0] == 451
        system.logged("warning", f'{kind}:nowhere lookup error for "b@alias.example"')


@pytest.mark.parametrize("parameter", ["header_checks", "smtpd_sender_login_maps", "transport_maps", "relay_recipient_maps"])
def test_so_does_mail_that_any_other_parameter_asks_of_one(parameter: str) -> None:
    logins = {"smtpd_sasl_auth_enable": "yes", "smtpd_sender_restrictions": "reject_sender_login_mismatch"}
    with System({parameter: "mongodb:nowhere", "relay_domains": "relay.example", **logins}) as system:
        with pytest.raises(smtplib.SMTPException) as refused, smtplib.SMTP("127.0.0.1", system.port, timeout=30) as client:
            client.sendmail("a@client.example", ["b@relay.example"], "Subject: x\r\n\r\nx\r\n")
        assert " 45" in f" {refused.value}" or "(45" in str(refused.value)
        system.logged("unsupported dictionary type: mongodb")


def test_a_login_that_is_not_there_is_not_offered_and_the_log_says_what_follows() -> None:
    with System({"smtpd_sasl_auth_enable": "yes"}) as system:
        system.logged("warning", "AUTH is not offered: there is no smtpd.conf for Cyrus SASL")
        with smtplib.SMTP("127.0.0.1", system.port, timeout=30) as client:
            client.ehlo("client.example")
            assert not client.has_extn("auth")
