"""XFORWARD and XCLIENT, attribute by attribute: what Postfix 3.7.11 answered and wrote to its queue file (SOURCE: the context)."""

import asyncio

import pytest
from tests.unit.receive.dialogue import Client, stage

from gatepost.receive.port import Lookups

_UNKNOWN = {
    "log_client_name": "unknown", "log_client_address": "unknown", "log_message_origin": "unknown", "log_helo_name": None,
    "log_protocol_name": "unknown",
}  # fmt: skip


async def _everybody(name: str, address: str) -> bool:
    return True


async def _nobody(name: str, address: str) -> bool:
    return False


async def _told(command: str) -> tuple[str, dict[str, str]]:
    """The reply to `command`, and the attributes of a message after it."""
    around = Lookups(xforward_hosts=_everybody, xclient_hosts=_everybody, local_rewrite=_nobody)
    scene = stage(lookups=around)
    client = Client(scene.service)
    await client.settle()
    await client.say(b"EHLO client2.client.test\r\n")
    said = await client.say(command.encode() + b"\r\n")
    for line in (b"MAIL FROM:<a@client.test>", b"RCPT TO:<alice@example.test>", b"DATA", b"Subject: x\r\n\r\n."):
        await client.say(line + b"\r\n")
    await client.close()
    return said[0], dict(scene.messages[0].envelope.attributes)


_BEFORE = {
    "rewrite_context": "remote", "log_client_name": "client2.client.test", "log_client_address": "127.0.0.2",
    "log_message_origin": "client2.client.test[127.0.0.2]", "log_helo_name": "client2.client.test", "log_protocol_name": "ESMTP",
    "client_name": "client2.client.test", "reverse_client_name": "client2.client.test", "client_address": "127.0.0.2",
    "server_address": "127.0.0.1", "server_port": "2525", "helo_name": "client2.client.test", "protocol_name": "ESMTP",
}  # fmt: skip
_BEGUN_ANEW = {"helo_name": None, "log_helo_name": None, "protocol_name": "SMTP", "log_protocol_name": "SMTP"}


def _changed(attributes: dict[str, str]) -> dict[str, str | None]:
    names = {*_BEFORE, "sasl_method", "sasl_username"}
    return {name: attributes.get(name) for name in names if attributes.get(name) != _BEFORE.get(name)}


@pytest.mark.parametrize(
    ("attribute", "bad", "changed"),
    [
        ("NAME=[UNAVAILABLE]", "", _UNKNOWN),
        ("NAME=[TEMPUNAVAIL]", "NAME", {}),
        ("NAME=foo", "", _UNKNOWN | {"log_client_name": "foo", "log_message_origin": "foo"}),
        ("NAME=a_b", "", _UNKNOWN | {"log_client_name": "a_b", "log_message_origin": "a_b"}),
        ("NAME=-foo", "NAME", {}),
        ("NAME=127.0.0.1", "NAME", {}),
        ("NAME=+GG", "NAME", {}),
        ("ADDR=[unavailable]", "", _UNKNOWN),
        ("ADDR=[TEMPUNAVAIL]", "ADDR", {}),
        ("ADDR=::1", "ADDR", {}),
        ("ADDR=ipv6:127.0.0.1", "ADDR", {}),
        ("ADDR=[127.0.0.1]", "ADDR", {}),
        ("ADDR=IPv6:2001:DB8:0:0::1", "",
         _UNKNOWN | {"log_client_address": "IPv6:2001:db8::1", "log_message_origin": "unknown[2001:db8::1]"}),
        ("ADDR=127.0.0.1 NAME=x PORT=1", "",
         _UNKNOWN | {"log_client_address": "127.0.0.1", "log_client_name": "x", "log_message_origin": "x[127.0.0.1]"}),
        ("PORT=[UNAVAILABLE]", "", _UNKNOWN),
        ("PORT=x", "PORT", {}),
        ("PORT=-1", "PORT", {}),
        ("PORT=99999", "", _UNKNOWN),
        ("PROTO=[UNAVAILABLE]", "", _UNKNOWN),
        ("PROTO=x", "", _UNKNOWN | {"log_protocol_name": "x"}),
        ("HELO=a+20b", "", _UNKNOWN | {"log_helo_name": "a?b"}),
        ("IDENT=a@b", "", {}),
        ("IDENT=[UNAVAILABLE]", "", {}),
        ("SOURCE=LOCAL", "", {"rewrite_context": "local"}),
        ("SOURCE=[UNAVAILABLE]", "", {"rewrite_context": "local"}),
        ("SOURCE=REMOTE", "", {}),
        ("SOURCE=x", "SOURCE", {}),
    ],
)  # fmt: skip
def test_xforward(attribute: str, bad: str, changed: dict[str, str | None]) -> None:
    reply, attributes = asyncio.run(_told(f"XFORWARD {attribute}"))
    value = attribute.partition("=")[2]
    assert reply == (f"501 5.5.4 Bad {bad} syntax: {value}" if bad else "250 2.0.0 Ok")
    assert _changed(attributes) == changed


@pytest.mark.parametrize(
    ("attribute", "bad", "changed"),
    [
        ("NAME=[TEMPUNAVAIL]", "",
         {"client_name": "unknown", "log_client_name": "unknown", "log_message_origin": "unknown[127.0.0.2]"}),
        ("NAME=-foo", "NAME", {}),
        ("NAME=[127.0.0.1]", "NAME", {}),
        ("ADDR=[UNAVAILABLE]", "", {"client_address": "unknown", "log_client_address": "unknown",
                                    "log_message_origin": "client2.client.test[unknown]"}),
        ("ADDR=[TEMPUNAVAIL]", "ADDR", {}),
        ("ADDR=IPV6:::1", "", {"client_address": "::1", "log_client_address": "IPv6:::1",
                               "log_message_origin": "client2.client.test[::1]"}),
        ("ADDR=2001:db8::1", "ADDR", {}),
        ("REVERSE_NAME=x.y", "", {"reverse_client_name": "x.y"}),
        ("PROTO=[UNAVAILABLE]", "PROTO", {}),
        ("PROTO=esmtp", "", {"protocol_name": "ESMTP", "log_protocol_name": "ESMTP"}),
        ("HELO=a+3Cb", "", {"helo_name": "a?b", "log_helo_name": "a?b"}),
        ("PORT=x", "PORT", {}),
        ("LOGIN=a+20b", "", {"sasl_method": "XCLIENT", "sasl_username": "a b"}),
        ("DESTADDR=::1", "DESTADDR", {}),
        ("DESTPORT=x", "DESTPORT", {}),
        ("DESTPORT=[UNAVAILABLE]", "", {"server_port": "unknown"}),
    ],
)  # fmt: skip
def test_xclient(attribute: str, bad: str, changed: dict[str, str | None]) -> None:
    """A refused attribute changes nothing; else the session begins anew, without its HELO name unless that was told."""
    reply, attributes = asyncio.run(_told(f"XCLIENT {attribute}"))
    value = attribute.partition("=")[2]
    assert reply == (f"501 5.5.4 Bad {bad} syntax: {value}" if bad else "220 mail.example.test ESMTP Postfix")
    anew = {} if bad else _BEGUN_ANEW | changed
    assert _changed(attributes) == {name: value for name, value in anew.items() if value != _BEFORE.get(name)}


@pytest.mark.parametrize("verb", ["XFORWARD", "XCLIENT"])
@pytest.mark.parametrize(
    ("attributes", "reply"),
    [
        ("NAME=", "501 5.5.4 Error: attribute=value expected"),
        ("NAME", "501 5.5.4 Error: attribute=value expected"),
        ("NAME=a b", "501 5.5.4 Error: attribute=value expected"),
        ("FOO=x", "501 5.5.4 Bad {verb} attribute name: FOO"),
        (f"NAME={'a' * 256}", "501 5.5.4 Error: attribute value too long"),
        (f"NAME={'a' * 255}", f"501 5.5.4 Bad NAME syntax: {'a' * 255}"),
    ],
)
def test_malformed(verb: str, attributes: str, reply: str) -> None:
    assert asyncio.run(_told(f"{verb} {attributes}"))[0] == reply.format(verb=verb)


# --- who is asked about whom: what Postfix 3.5 and later offer after XCLIENT, the client 127.0.0.2 alone being in every list ---


async def _offered(*commands: str) -> tuple[str, ...]:
    """The keywords for trusted clients that EHLO offers after some commands."""

    async def trusted(name: str, address: str) -> bool:
        return address == "127.0.0.2"

    lists = Lookups(xforward_hosts=trusted, xclient_hosts=trusted, verp_clients=trusted)
    client = Client(stage(lookups=lists).service)
    await client.settle()
    for command in ("EHLO a", *commands):
        await client.say(command.encode() + b"\r\n")
    said = [line[4:].partition(" ")[0] for line in await client.say(b"EHLO b\r\n")]
    await client.close()
    return tuple(word for word in said if word in ("XVERP", "XCLIENT", "XFORWARD"))


@pytest.mark.parametrize(
    ("commands", "offered"),
    [
        ((), ("XVERP", "XCLIENT", "XFORWARD")),
        (("XCLIENT NAME=x.test",), ("XVERP", "XCLIENT", "XFORWARD")),
        (("XCLIENT ADDR=192.0.2.9",), ("XFORWARD",)),
        (("XCLIENT ADDR=192.0.2.9", "XCLIENT ADDR=127.0.0.2"), ("XFORWARD",)),
        (("XCLIENT ADDR=192.0.2.9 NAME=-x",), ("XCLIENT", "XFORWARD")),  # the wrong attribute ends the command, not what is true
        (("XCLIENT NAME=-x",), ("XVERP", "XCLIENT", "XFORWARD")),
    ],
)
def test_xclient_is_trusted_for_another_client_and_gains_none_of_its_rights(
    commands: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    assert asyncio.run(_offered(*commands)) == offered


def test_a_client_that_may_not_forward_may_not_after_xclient_either() -> None:
    """The one who is told of is in the list, the one who is connected is not."""

    async def converse() -> list[str]:
        async def forwards(name: str, address: str) -> bool:
            return address == "192.0.2.9"

        client = Client(stage(lookups=Lookups(xforward_hosts=forwards, xclient_hosts=_everybody)).service)
        await client.settle()
        await client.say(b"XCLIENT ADDR=192.0.2.9\r\n")
        return await client.say(b"XFORWARD NAME=x.test\r\n")

    assert asyncio.run(converse()) == ["550 5.7.0 Error: insufficient authorization"]
