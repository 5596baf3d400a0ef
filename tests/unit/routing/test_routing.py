"""Classes, transports and next hops, as Postfix 3.7 answered."""

import asyncio

import pytest
from msgspec.structs import replace

from gatepost.routing.port import AddressClass, Route
from gatepost.routing.resolve import BAD_SYNTAX, UNRESOLVED
from gatepost.routing.routing import Routing

from .conftest import MakeRouting


def unresolved(route: Route) -> str:
    """The table that did not answer, where the route says that."""
    assert route.failure is not None
    assert replace(route.failure, why=UNRESOLVED.why) == UNRESOLVED
    return route.failure.why.table


def resolve(routing: Routing, address: str, sender: str = "") -> Route:
    return asyncio.run(routing.resolve(address, sender))


def goes(routing: Routing, address: str, sender: str = "") -> tuple[str, str]:
    route = resolve(routing, address, sender)
    return route.transport, route.nexthop


def test_classes(make_routing: MakeRouting) -> None:
    routing = make_routing(
        virtual_alias_domains="valias.test", virtual_mailbox_domains="vbox.test", relay_domains="relay.test", relayhost="[out.test]"
    )
    assert goes(routing, "a@example.test") == ("local", "mail.example.test")
    assert goes(routing, "a@valias.test") == ("error", "5.1.1 User unknown in virtual alias table")
    assert goes(routing, "a@vbox.test") == ("virtual", "vbox.test")
    assert goes(routing, "a@sub.relay.test") == ("relay", "[out.test]")
    assert goes(routing, "a@other.test") == ("smtp", "[out.test]")
    assert resolve(routing, "a@relay.test").cls is AddressClass.RELAY


@pytest.mark.parametrize("address", ["", "x", "x y"])
@pytest.mark.parametrize(
    ("settings", "transport"),
    [
        ({}, "local"),
        ({"mydestination": ""}, "smtp"),
        ({"mydestination": "", "virtual_mailbox_domains": "mail.example.test"}, "virtual"),
    ],
)
def test_no_domain_is_the_own_host_name_of_whatever_class(
    make_routing: MakeRouting, address: str, settings: dict[str, str], transport: str
) -> None:
    assert goes(make_routing(**settings), address) == (transport, "mail.example.test")


@pytest.mark.parametrize("address", ["-a@b.test", "b.test!-a", "mail.example.test!-a", "-a%b.test@mail.example.test"])
def test_no_recipient_looks_like_an_option(make_routing: MakeRouting, address: str) -> None:
    assert resolve(make_routing(), address).failure == BAD_SYNTAX
    assert resolve(make_routing(allow_min_user=True), address).failure is None


def test_address_literals(make_routing: MakeRouting) -> None:
    routing = make_routing()
    assert resolve(routing, "alice@[127.0.0.1]").cls is AddressClass.LOCAL
    assert resolve(routing, "alice@[127.0.0.5]").cls is AddressClass.DEFAULT
    assert resolve(routing, "alice@[IPv6:::1]").cls is AddressClass.DEFAULT
    for bad in ("[::1]", "[999.1.1.1]", "127.0.0.1", "[example.test]", "-example.test", "b" * 64 + ".test", ".example.test"):
        assert resolve(routing, f"alice@{bad}").failure == BAD_SYNTAX, bad


@pytest.mark.parametrize(
    ("address", "recipient", "routed"),
    [
        ("alice@remote.test@example.test", "alice@remote.test", False),
        ("user@example.test@", "user@example.test", False),
        ("a%b.test@example.test", "a@b.test", False),
        ("a%b%c@example.test", "a%b@c", True),
        ("user%a.test@b.test", "user%a.test@b.test", True),
        ("", "MAILER-DAEMON@mail.example.test", False),
    ],
)
def test_routing_in_the_local_part(make_routing: MakeRouting, address: str, recipient: str, routed: bool) -> None:
    route = resolve(make_routing(), address)
    assert (route.recipient, route.routed) == (recipient, routed)


FAILING = {
    "transport_maps": ('fail:x lookup error for "a@b.test"', "transport_maps lookup failure"),
    "relocated_maps": ('fail:x lookup error for "a@b.test"', "relocated_maps lookup failure"),
    "sender_dependent_relayhost_maps": ('fail:x lookup error for "s@c.test"', "sender_dependent_relayhost_maps lookup failure"),
    "virtual_mailbox_domains": ("virtual_mailbox_domains: fail:x: table lookup problem", "virtual_mailbox_domains lookup failure"),
    "relay_domains": ("relay_domains: fail:x: table lookup problem", "relay_domains lookup failure"),
    "mydestination": ("mydestination: fail:x: table lookup problem",),
}


@pytest.mark.parametrize("parameter", FAILING)
def test_a_table_that_fails_is_asked_once(make_routing: MakeRouting, warnings: list[str], parameter: str) -> None:
    routing = make_routing(**{parameter: "fail:x"})
    assert [unresolved(resolve(routing, "a@b.test", "s@c.test")) for _ in range(3)] == ["fail:x"] * 3
    assert tuple(warnings) == FAILING[parameter]


def test_a_sender_whose_table_fails_spoils_nobody_elses_route(make_routing: MakeRouting) -> None:
    routing = make_routing(sender_dependent_relayhost_maps="inline:{{s@good.test=[out.test]}}, fail:x")
    assert unresolved(resolve(routing, "a@b.test", "s@c.test"))
    assert goes(routing, "a@b.test", "s@good.test") == ("smtp", "[out.test]")


def test_a_list_asked_for_a_warning_only_may_fail(make_routing: MakeRouting, warnings: list[str]) -> None:
    routing = make_routing(virtual_alias_domains="fail:x")
    assert goes(routing, "a@example.test") == ("local", "mail.example.test")
    assert warnings == ["virtual_alias_domains: fail:x: table lookup problem"]


def test_transport_table(make_routing: MakeRouting) -> None:
    table = "{user@a.test=smtp:[u.test]}, {a.test=relay:}, {.b.test=:[b.test]:26}, {c.test=error:5.1.2 x}, {d.test=:}, {*=slow:[x]}"
    routing = make_routing(transport_maps=f"inline:{{{table}}}", recipient_delimiter="+")
    assert goes(routing, "user+x@a.test") == ("smtp", "[u.test]")
    assert goes(routing, "other@a.test") == ("relay", "a.test")
    assert goes(routing, "x@sub.b.test") == ("smtp", "[b.test]:26")
    assert goes(routing, "x@c.test") == ("error", "5.1.2 x")
    assert goes(routing, "x@d.test") == ("smtp", "d.test")
    assert goes(routing, "x@else.test") == ("slow", "[x]")


def test_sender_dependent_tables(make_routing: MakeRouting) -> None:
    routing = make_routing(
        relayhost="[out.test]",
        sender_dependent_default_transport_maps="inline:{{a@x.test=slow}, {b@x.test=slow:[b.test]}, {<>=empty}}",
        sender_dependent_relayhost_maps="inline:{{@x.test=[relay.test]}, {d@x.test=DUNNO}}",
    )
    assert goes(routing, "r@o.test", "a@x.test") == ("slow", "[relay.test]")
    assert goes(routing, "r@o.test", "b@x.test") == ("slow", "[b.test]")
    assert goes(routing, "r@o.test", "c@y.test") == ("smtp", "[out.test]")
    assert goes(routing, "r@o.test", "d@x.test") == ("smtp", "o.test")
    assert goes(routing, "r@o.test") == ("empty", "[out.test]")


@pytest.mark.parametrize(
    "parameter", ["transport_maps", "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps"]
)
def test_no_address_chooses_where_mail_goes(make_routing: MakeRouting, warnings: list[str], parameter: str) -> None:
    """transport(5): what `$1` would take from an address is no part of a next hop."""
    routing = make_routing(**{parameter: "regexp:{{/@(.*)/ smtp:[$$1]}}"})
    assert "[" not in goes(routing, "a@evil.example", "b@evil.example")[1]
    assert [text.partition(", ")[2] for text in warnings] == [
        "line 1: regular expression substitution is not allowed: skipping this rule"
    ]


def test_relocated(make_routing: MakeRouting) -> None:
    routing = make_routing(relocated_maps="inline:{{gone@example.test=gone@new.test}}")
    assert goes(routing, "gone@example.test") == ("error", "5.1.6 User has moved to gone@new.test")


def test_relocated_with_a_status_of_its_own(make_routing: MakeRouting) -> None:
    """relocated_prefix_enable of Postfix 3.11."""
    table = "inline:{{gone@example.test=5.2.1 Left us}}"
    routing = make_routing(relocated_maps=table, relocated_prefix_enable=False)
    assert goes(routing, "gone@example.test") == ("error", "5.2.1 Left us")


def test_a_table_that_fails_is_told(make_routing: MakeRouting, warnings: list[str]) -> None:
    assert unresolved(resolve(make_routing(transport_maps="fail:x"), "a@b.test")) == "fail:x"
    assert warnings


def test_doubly_claimed_domains_are_warned_of(make_routing: MakeRouting, warnings: list[str]) -> None:
    routing = make_routing(relay_domains="dup.test", virtual_mailbox_domains="dup.test")
    assert resolve(routing, "x@dup.test").cls is AddressClass.VIRTUAL_MAILBOX
    assert warnings == ["do not list domain dup.test in BOTH virtual_mailbox_domains and relay_domains"]
