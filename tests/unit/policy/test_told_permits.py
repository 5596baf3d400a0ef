"""smtpd_log_access_permit_actions: of which permissions the log is told, in the words of Postfix 3.7.11."""

from pathlib import Path

import pytest
from tests.support.restrictions import World

from gatepost.policy.port import Stage

CLIENT = "Client host=c.test[127.0.0.1]"
RECIPIENT = "Recipient address=x@here.test"
OK = "inline:{x@here.test=ok}"
GRANTS = "inline:{x@here.test=permit_auth_destination}"


@pytest.mark.parametrize(
    ("told", "restrictions", "expected"),
    [
        ("static:all", "permit_mynetworks, reject", [f"action=permit_mynetworks for {CLIENT}"]),
        ("permit_mynetworks", "permit_mynetworks, reject", [f"action=permit_mynetworks for {CLIENT}"]),
        ("static:all", "check_client_access static:OK, reject", [f"action=OK for {CLIENT} from static:OK"]),
        ("static:all", "check_client_access static:1234, reject", [f"action=1234 for {CLIENT} from static:1234"]),
        ("OK", f"check_recipient_access {OK}, reject", [f"action=ok for {RECIPIENT} from {OK}"]),
        ("static:all", f"check_recipient_access {GRANTS}, reject", [f"action=permit_auth_destination for {RECIPIENT}"]),
        ("static:all", "permit_auth_destination, reject", [f"action=permit_auth_destination for {RECIPIENT}"]),
        ("static:all", "permit, reject", [f"action=permit for {RECIPIENT}"]),
        ("static:all", "reject", []),
        ("static:all", "permit_inet_interfaces, defer_unauth_destination", []),
        ("OK", "permit_mynetworks, reject", []),
        ("fail:x", "permit_mynetworks, reject", []),
        ("", "permit_mynetworks, reject", []),
    ],
)
def test_what_the_log_is_told(told: str, restrictions: str, expected: list[str], tmp_path: Path) -> None:
    main = {
        "smtpd_log_access_permit_actions": told, "smtpd_recipient_restrictions": restrictions, "smtpd_relay_restrictions": "",
        "mynetworks": "127.0.0.1", "inet_interfaces": "192.0.2.7", "virtual_mailbox_domains": "here.test",
        "virtual_mailbox_maps": "static:x", "mydestination": "", "myhostname": "mail.test", "alias_maps": "",
    }  # fmt: skip
    (tmp_path / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    world = World(tmp_path, "")
    facts = world.facts
    facts.client_name, facts.client_address, facts.helo_name = "c.test", "127.0.0.1", "helo.test"
    facts.sender, facts.recipient = "a@b.test", "x@here.test"
    verdict = world.reach(Stage.RECIPIENT, "RCPT")
    assert [action.value for action in verdict.actions if action.kind == "permit"] == expected
