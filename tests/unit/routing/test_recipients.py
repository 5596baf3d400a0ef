"""reject_unlisted_recipient's question, with Postfix's words."""

import asyncio

import pytest

from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.routing.recipients import Recipients

from .conftest import MakeRouting

TABLES = {
    "local_recipient_maps": "inline:{{alice=x}, {@localhost=x}}",
    "relay_domains": "relay.test",
    "relay_recipient_maps": "inline:{{good@relay.test=x}}",
    "virtual_mailbox_domains": "vbox.test",
    "virtual_mailbox_maps": "inline:{{joe@vbox.test=joe/}}",
    "virtual_alias_domains": "valias.test",
    "virtual_alias_maps": "inline:{{joe@valias.test=alice}, {ghost@example.test=alice}}",
    "relocated_maps": "inline:{{gone@example.test=gone@new.test}}",
}


def reply(make_routing: MakeRouting, address: str, *, sender: bool = False, **parameters: object) -> str:
    async def ask() -> str:
        routing = make_routing(**{**TABLES, **parameters})
        recipients = Recipients(routing, routing.settings, "double-bounce", Tables(lambda _: None))
        outcome = await recipients.unlisted(address, await routing.resolve(address), sender=sender)
        return "" if outcome is None else f"{outcome.code} {outcome.enhanced} {outcome.text}"

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.test", "any@localhost", "ghost@example.test", "joe@valias.test", "joe@vbox.test", "good@relay.test",
        "postmaster@example.test", "double-bounce@example.test", "MAILER-DAEMON@mail.example.test", "any@other.test",
    ],
)  # fmt: skip
def test_listed(make_routing: MakeRouting, address: str) -> None:
    assert reply(make_routing, address) == ""


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("bob@example.test", "550 5.1.1 <bob@example.test>: Recipient address rejected: User unknown in local recipient table"),
        ("bad@relay.test", "550 5.1.1 <bad@relay.test>: Recipient address rejected: User unknown in relay recipient table"),
        ("bad@vbox.test", "550 5.1.1 <bad@vbox.test>: Recipient address rejected: User unknown in virtual mailbox table"),
        ("bad@valias.test", "550 5.1.1 <bad@valias.test>: Recipient address rejected: User unknown in virtual alias table"),
        ("gone@example.test", "550 5.1.6 <gone@example.test>: Recipient address rejected: User has moved to gone@new.test"),
    ],
)
def test_unlisted(make_routing: MakeRouting, address: str, text: str) -> None:
    assert reply(make_routing, address) == text


def test_codes_and_names(make_routing: MakeRouting) -> None:
    assert reply(make_routing, "bad@valias.test", unknown_virtual_alias_reject_code=450).startswith("450 4.1.1 ")
    assert reply(make_routing, "bob@example.test", show_user_unknown_table_name=False).endswith("rejected: User unknown")
    assert reply(make_routing, "bob@example.test", sender=True).startswith("550 5.1.0 <bob@example.test>: Sender address rejected")


@pytest.mark.parametrize(
    ("address", "status"),
    [("bad@vbox.test", "5.1.0"), ("bad@valias.test", "5.1.7"), ("gone@example.test", "5.1.7")],
)
def test_statuses_of_senders(make_routing: MakeRouting, address: str, status: str) -> None:
    """What a table says of a recipient, it does not say of a sender (RFC 3463 §3.2)."""
    assert reply(make_routing, address, sender=True).startswith(f"550 {status} <{address}>: Sender address rejected: User ")


def test_no_list_means_anybody(make_routing: MakeRouting) -> None:
    assert reply(make_routing, "bob@example.test", local_recipient_maps="") == ""


def test_a_list_that_fails(make_routing: MakeRouting) -> None:
    with pytest.raises(LookupFailure):
        reply(make_routing, "bob@example.test", local_recipient_maps="fail:x")
