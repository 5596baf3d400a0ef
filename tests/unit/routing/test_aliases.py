"""canonical(5), virtual(5), masquerading, generic(5)."""

import asyncio

import pytest

from gatepost.content import generic
from gatepost.lookup.registry import Tables
from gatepost.mail.header import Header
from gatepost.routing.aliases import AliasLoop, Place

from .conftest import MakeRouting

VIRTUAL = "inline:{{joe@valias.test=alice}, {team@valias.test=alice bob x@remote.test}, {@wild.test=carol}, {@old.test=@new.test}}"


def test_expansion(make_routing: MakeRouting) -> None:
    routing = make_routing(virtual_alias_maps=VIRTUAL, recipient_delimiter="+")

    def expanded(address: str) -> list[str]:
        return asyncio.run(routing.expanded(address))

    assert expanded("joe+x@valias.test") == ["alice+x@mail.example.test"]
    assert expanded("team@valias.test") == ["alice@mail.example.test", "bob@mail.example.test", "x@remote.test"]
    assert expanded("any@wild.test") == ["carol@mail.example.test"]
    assert expanded("any@old.test") == ["any@new.test"]
    assert expanded("none@else.test") == ["none@else.test"]


def test_extension_stays_behind(make_routing: MakeRouting) -> None:
    routing = make_routing(virtual_alias_maps=VIRTUAL, recipient_delimiter="+", propagate_unmatched_extensions="canonical")
    assert asyncio.run(routing.expanded("joe+x@valias.test")) == ["alice@mail.example.test"]


def test_an_alias_may_keep_itself(make_routing: MakeRouting) -> None:
    routing = make_routing(virtual_alias_maps="inline:{{a@example.test=a@example.test b@example.test}}")
    assert asyncio.run(routing.expanded("a@example.test")) == ["a@example.test", "b@example.test"]


@pytest.mark.parametrize(
    ("table", "limits", "text"),
    [
        (
            "{l1@example.test=l2@example.test}, {l2@example.test=l1@example.test}",
            {},
            "virtual_alias_maps map nesting for l1@example.test",
        ),
        (
            "{l1@example.test=a b c}",
            {"virtual_alias_expansion_limit": 2},
            "virtual_alias_maps map expansion size for l1@example.test",
        ),
        ("{l1@example.test=abcdefghij}", {"virtual_alias_address_length_limit": 5}, "virtual_alias_maps result abcdefghij"),
    ],
)
def test_limits(make_routing: MakeRouting, table: str, limits: dict[str, int], text: str) -> None:
    routing = make_routing(virtual_alias_maps=f"inline:{{{table}}}", **limits)
    with pytest.raises(AliasLoop) as caught:
        asyncio.run(routing.expanded("l1@example.test"))
    assert caught.value.text.startswith(f"unreasonable {text}")
    assert caught.value.text.endswith("-- message not accepted, try again later")


def test_canonical_by_place(make_routing: MakeRouting) -> None:
    routing = make_routing(
        canonical_maps="inline:{{joe=joe.public@client.test}, {@other.test=@new.test}}",
        canonical_classes="envelope_sender, header_sender",
        recipient_canonical_maps="inline:{{old@example.test=alice@example.test}}",
    )

    def mapped(address: str, place: Place) -> str:
        return asyncio.run(routing.mapped(address, place))

    assert mapped("joe@mail.example.test", Place.ENVELOPE_SENDER) == "joe.public@client.test"
    assert mapped("frank@other.test", Place.HEADER_SENDER) == "frank@new.test"
    assert mapped("frank@other.test", Place.HEADER_RECIPIENT) == "frank@other.test"
    assert mapped("old@example.test", Place.ENVELOPE_RECIPIENT) == "alice@example.test"


def test_masquerading(make_routing: MakeRouting) -> None:
    routing = make_routing(masquerade_domains="!keep.example.test example.test", masquerade_exceptions="root")

    def masqueraded(address: str, place: Place = Place.HEADER_RECIPIENT) -> str:
        return asyncio.run(routing.mapped(address, place))

    assert masqueraded("x@b.example.test") == "x@example.test"
    assert masqueraded("x@a.keep.example.test") == "x@a.keep.example.test"
    assert masqueraded("root@b.example.test") == "root@b.example.test"
    assert masqueraded("x@b.example.test", Place.ENVELOPE_RECIPIENT) == "x@b.example.test"


def test_generic(make_routing: MakeRouting) -> None:
    routing = make_routing()
    value = "inline:{{joe@example.test=joe@isp.test}, {@example.test=all@isp.test}}"
    table = routing.generic(value, "smtp_generic_maps", Tables(pytest.fail))
    assert table is not None
    assert asyncio.run(generic.address(table, "joe@example.test")) == "joe@isp.test"
    assert asyncio.run(generic.address(table, "")) == ""
    header = Header("to", b"To: x@remote.test, joe@example.test\r\n")
    assert asyncio.run(generic.header(table, header)) == b"To: x@remote.test, joe@isp.test\r\n"


def test_the_domain_alone_is_replaced_by_the_first_result_only(make_routing: MakeRouting) -> None:
    routing = make_routing(virtual_alias_maps="inline:{{@a.test=@b.test, @c.test}, {@d.test=x@b.test, @c.test}}")
    assert asyncio.run(routing.expanded("user@a.test")) == ["user@b.test", "@c.test"]
    assert asyncio.run(routing.expanded("user@d.test")) == ["x@b.test", "@c.test"]


def test_a_circle_of_canonical_addresses_is_told_of_and_left(make_routing: MakeRouting, warnings: list[str]) -> None:
    routing = make_routing(canonical_maps="inline:{{a@b.test=b@b.test}, {b@b.test=a@b.test}}")
    assert asyncio.run(routing.mapped("a@b.test", Place.ENVELOPE_SENDER)) == "a@b.test"
    assert ["unreasonable canonical_maps map nesting for a@b.test" in one for one in warnings] == [True]
