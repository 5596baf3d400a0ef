"""check_greylist: what it says, what it leaves as evidence, and whose key is whose."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.restrictions import COMMON, World
from tests.support.settings import default

from gatepost.policy.greylist import texts
from gatepost.policy.greylist.greylister import Greylisted
from gatepost.policy.greylist.judge import Ground
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.port import Stage, Verdict
from gatepost.state.port import StateUnavailable

ZONE = """
pool.test TXT v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all
open.test TXT v=spf1 +all
wide.test TXT v=spf1 ip4:192.0.0.0/8 ip4:198.0.0.0/8 -all
exists.test TXT v=spf1 exists:yes.test -all
yes.test A 127.0.0.2
mx.name.test A 192.0.2.1
"""


class Session(World):
    """One client after the other."""

    def rcpt(
        self, sender: str = "a@s.test", recipient: str = "alice@example.test", address: str = "192.0.2.1", **facts: Any
    ) -> Verdict:
        """A message of one recipient."""
        self.facts.evidence.clear()
        return self.again(sender, recipient, address, **facts)

    def again(self, sender: str, recipient: str, address: str = "192.0.2.1", **facts: Any) -> Verdict:
        """One more recipient of the message."""
        self.facts.client_address, self.facts.helo_name = address, "helo.test"
        self.facts.sender, self.facts.recipient = sender, recipient
        for name, value in facts.items():
            setattr(self.facts, name, value)
        return self.reach(Stage.RECIPIENT, "RCPT")


def world(folder: Path, settings: str = "", restrictions: str = "check_greylist") -> Session:
    lists = f"greylist_whitelist_clients = {folder}/no.local\ngreylist_whitelist_recipients = {folder}/no.local\n"
    (folder / "main.cf").write_text(f"{COMMON}{lists}{settings}\nsmtpd_recipient_restrictions = {restrictions}\n")
    (folder / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    return Session(folder, ZONE)


def reply(verdict: Verdict) -> str:
    return "" if verdict.outcome is None else f"{verdict.outcome.code} {verdict.outcome.enhanced} {verdict.outcome.text}"


def headers(verdict: Verdict) -> list[str]:
    return [action.value for action in verdict.actions if action.kind == "prepend"]


def test_a_message_waits_and_is_let_in_with_a_header(tmp_path: Path) -> None:
    one = world(tmp_path)
    verdict = one.rcpt()
    assert reply(verdict) == (
        "450 4.7.1 <alice@example.test>: Recipient address rejected: Greylisted, please try again in 300 seconds"
    )
    why = verdict.outcome.why
    assert (why.rule, why.table, why.key, why.reason) == (
        "check_greylist",
        "greylist",
        "192.0.2.0/a@s.test/alice@example.test",
        "new",
    )
    assert one.facts.evidence.get(Greylisted).left == 300
    one.now += 299
    assert reply(one.rcpt()).endswith("again in 1 seconds")
    one.now += 1
    verdict = one.rcpt(address="192.0.2.99")
    assert reply(verdict) == ""
    assert headers(verdict)[0].startswith("X-Greylist: delayed 300 seconds by gatepost-")
    found = one.facts.evidence.get(Greylisted)
    assert (found.ground, found.waited) == (Ground.TRIPLET, 300)
    assert headers(one.rcpt()) == []


def test_the_header_comes_once_a_message(tmp_path: Path) -> None:
    one = world(tmp_path)
    for recipient in ("alice@example.test", "bob@example.test"):
        one.again("a@s.test", recipient)
    one.now += 400
    assert len(headers(one.again("a@s.test", "alice@example.test"))) == 1
    assert headers(one.again("a@s.test", "bob@example.test")) == []


def test_something_that_refuses_for_good_is_said_at_once(tmp_path: Path) -> None:
    one = world(tmp_path, restrictions="check_greylist, reject")
    assert reply(one.rcpt()).startswith("554 ")


def test_action_and_text_are_configurable(tmp_path: Path) -> None:
    one = world(tmp_path, "greylist_action = 451\ngreylist_text = 4.7.0 see %r in %s, %x %%s")
    assert reply(one.rcpt()) == "451 4.7.0 <alice@example.test>: Recipient address rejected: see example.test in 300, %x %300"


def test_what_a_client_sent_is_not_expanded() -> None:
    settings = default(GreylistSettings, greylist_text="%r|%s")
    assert texts.put_off(settings, 7, "a@%s.%r.test") == "DEFER_IF_PERMIT %s.%r.test|7"
    assert texts.put_off(settings, 7, "a") == "DEFER_IF_PERMIT |7"


def test_a_code_without_a_text_is_not_what_lets_everybody_in(tmp_path: Path) -> None:
    one = world(tmp_path, "greylist_action = 451\ngreylist_text =")
    assert reply(one.rcpt()) == "451 4.7.1 <alice@example.test>: Recipient address rejected: Greylisted"


def test_a_header_that_is_none_is_told_and_left_out(tmp_path: Path) -> None:
    one = world(tmp_path, "greylist_header = no header")
    one.rcpt()
    one.now += 400
    assert headers(one.rcpt()) == []
    assert one.log == ['access table greylist entry "192.0.2.0/a@s.test/alice@example.test" requires header: text']


@pytest.mark.parametrize(
    ("action", "code"), [("", "450"), ("greylist_default_action = dunno", ""), ("greylist_default_action = 451 no", "451")]
)
def test_without_the_state_store_the_default_action_holds(tmp_path: Path, action: str, code: str) -> None:
    class Broken:
        async def get(self, space: object, key: bytes) -> None:
            raise StateUnavailable("state.sqlite: the disk is full")

    one = world(tmp_path, action)
    one.policy._sources.greylister._store = Broken()  # type: ignore[assignment]
    verdict = one.rcpt()
    assert reply(verdict)[:3] == code
    assert [step.result for step in verdict.trace if step.rule == "check_greylist"] == ["state.sqlite: the disk is full"]
    assert one.log == []


SPF, BOTH = "check_spf, check_greylist", "greylist_identity = spf, name\n"


def saves(one: Session, sender: str, **facts: Any) -> bool:
    """Whether a pool that comes again from elsewhere is known again."""
    one.rcpt(sender, **facts)
    one.now += 400
    return reply(one.rcpt(sender, address="198.51.100.7", **facts)) == ""


@pytest.mark.parametrize(
    ("sender", "saved"),
    [
        ("a@pool.test", True),
        ("a@open.test", False),
        ("a@wide.test", False),
        ("a@exists.test", False),
        ("a@none.test", False),
        ("", False),
    ],
)
def test_who_passes_spf_is_known_by_domain_unless_everybody_passes(tmp_path: Path, sender: str, saved: bool) -> None:
    assert saves(world(tmp_path, BOTH, SPF), sender) is saved


@pytest.mark.parametrize(
    ("name", "sender", "saved"),
    [
        ("mx.name.test", "a@name.test", True),
        ("MX.Name.Test", "a@name.test", True),
        ("name.test", "a@name.test", True),
        ("mxname.test", "a@name.test", False),
        ("unknown", "a@unknown", False),
        ("mx.test", "a@test", False),
    ],
)
def test_whose_name_lies_in_the_domain_is_known_by_it(tmp_path: Path, name: str, sender: str, saved: bool) -> None:
    assert saves(world(tmp_path, BOTH), sender, client_name=name) is saved


def test_the_identity_is_the_domain_and_still_one_recipient(tmp_path: Path) -> None:
    one = world(tmp_path, BOTH, SPF)
    assert saves(one, "a@pool.test")
    assert reply(one.rcpt("b@pool.test", address="198.51.100.7")).startswith("450")
    assert reply(one.rcpt("a@pool.test", "bob@example.test", address="198.51.100.7")).startswith("450")


def test_it_is_off_by_default_as_postgrey_has_none(tmp_path: Path) -> None:
    assert not saves(world(tmp_path, "", SPF), "a@pool.test")


def test_what_was_known_by_network_still_is_when_the_identity_comes(tmp_path: Path) -> None:
    one = world(tmp_path)
    one.rcpt("a@pool.test")
    one.now += 400
    assert reply(one.rcpt("a@pool.test")) == ""
    two = world(tmp_path, BOTH, SPF)
    two.policy._sources.greylister._store, two.now = one.state, one.now
    assert reply(two.rcpt("a@pool.test")) == ""
    assert headers(two.rcpt("a@pool.test")) == headers(two.rcpt("a@pool.test"))


def test_spf_of_another_message_does_not_answer(tmp_path: Path) -> None:
    one = world(tmp_path, BOTH, SPF)
    one.rcpt("a@pool.test")
    (tmp_path / "main.cf").write_text((tmp_path / "main.cf").read_text().replace("check_spf, ", ""))
    two = Session(tmp_path, ZONE)
    two.facts.evidence = one.facts.evidence
    assert "/b@s.test/" in two.again("b@s.test", "alice@example.test").outcome.why.key
    assert two.facts.evidence.get(Greylisted).key.startswith("192.0.2.0/")


@pytest.mark.parametrize("address", ["", "unknown", "192.0.2.300", "x" * 5000, "010.1.1.1"])
def test_who_has_no_address_is_not_greylisted(tmp_path: Path, address: str) -> None:
    assert reply(world(tmp_path).rcpt(address=address)) == ""


def test_many_triplets_of_one_sender_are_forgotten(tmp_path: Path) -> None:
    one = world(tmp_path, "mydestination = example.test")
    for number in range(2000):
        one.rcpt(f"{'s' * 900}x{number}y@s.test", "alice@example.test")
    assert len(one.state) == 2000
    assert all(len(name[1]) <= 400 for name in one.state._names)
    one.now += 8 * 86400
    for number in range(2000):
        one.rcpt(f"b{number}x@s.test", "alice@example.test")
    assert len(one.state) <= 2100
