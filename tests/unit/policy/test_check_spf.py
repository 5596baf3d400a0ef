"""check_spf leaves what it found out as evidence, and asks once a message. What it says: tests/restrictions/spf.in."""

from pathlib import Path

import pytest
from tests.support.restrictions import COMMON, World

from gatepost.identity.spf.check import Finding
from gatepost.identity.spf.port import Result
from gatepost.policy.port import Stage

ZONE = "pass.test TXT v=spf1 ip4:192.0.2.0/24 -all\nother.test TXT v=spf1 +all\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "main.cf").write_text(f"{COMMON}smtpd_recipient_restrictions = check_spf\n")
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    one = World(tmp_path, ZONE)
    one.facts.client_address = "192.0.2.1"
    one.facts.helo_name = "helo.test"
    one.facts.sender = "a@pass.test"
    return one


def headers(world: World, recipient: str) -> list[str]:
    world.facts.recipient = recipient
    verdict = world.reach(Stage.RECIPIENT, "RCPT")
    return [action.value.partition(" (")[0] for action in verdict.actions if action.kind == "prepend"]


def test_evidence(world: World) -> None:
    headers(world, "alice@example.test")
    finding = world.facts.evidence.get(Finding)
    assert finding is not None
    assert finding.passed_domain == "pass.test"
    assert finding.mail_from is not None
    assert (finding.mail_from.result, finding.mail_from.prefix, finding.mail_from.open) == (Result.PASS, 24, False)


def test_a_message_is_asked_about_once_and_told_once(world: World) -> None:
    assert headers(world, "alice@example.test") == ["Received-SPF: Pass"]
    asked = len(world.dns.asked)
    assert headers(world, "bob@example.test") == []
    assert len(world.dns.asked) == asked


def test_the_next_message_is_told_too(world: World) -> None:
    headers(world, "alice@example.test")
    world.facts.evidence.end_message()
    assert world.facts.evidence.get(Finding) is None
    assert headers(world, "alice@example.test") == ["Received-SPF: Pass"]


def test_another_client_of_the_session_is_asked_about_anew(world: World) -> None:
    headers(world, "alice@example.test")
    world.facts.client_address = "198.51.100.1"
    world.facts.recipient = "alice@example.test"
    verdict = world.reach(Stage.RECIPIENT, "RCPT")
    assert verdict.outcome is not None
    assert verdict.outcome.code == 550


@pytest.mark.parametrize("state", ["VRFY", "END-OF-MESSAGE"])
def test_where_there_is_no_message_to_tell_it_is_not_told(world: World, state: str) -> None:
    world.facts.recipient = "alice@example.test"
    assert world.reach(Stage.RECIPIENT, state).actions == ()
