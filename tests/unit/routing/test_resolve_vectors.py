"""Postfix's own resolver vectors, where they are at hand (GATEPOST_DATA)."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.support.settings import default

from gatepost.routing.port import AddressClass
from gatepost.routing.resolve import Resolver, ResolveTables
from gatepost.routing.rewrite import Rewriter
from gatepost.routing.settings import RoutingSettings

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[4] / "shared" / "data"))
REF = DATA / "vectors" / "postfix-vectors" / "global" / "resolve_clnt.ref"

if not REF.exists() and os.environ.get("CI"):
    raise RuntimeError(f"CI needs the vectors: {REF}")


def cases() -> list[tuple[str, dict[str, str]]]:
    if not REF.exists():
        return []
    text = REF.read_text().replace("MYHOSTNAME", "host.dom.test").replace("MYDOMAIN", "dom.test")
    found = []
    for block in text.split("\n\n"):
        fields = {line[:10].strip(): line[11:] for line in block.splitlines()}
        if fields.get("class") == "resolve":
            found.append((fields["address"], fields))
    return found


class Destinations:
    async def matches(self, name: str) -> bool:
        return name.lower() in ("host.dom.test", "localhost.dom.test", "localhost")


SETTINGS = default(
    RoutingSettings,
    myhostname="host.dom.test",
    mydomain="dom.test",
    myorigin="host.dom.test",
    mydestination="",
    relayhost="dom.test",
    local_transport="local:host.dom.test",
    append_dot_mydomain=True,
)
RESOLVER = Resolver(SETTINGS, ResolveTables(Destinations()), Rewriter(SETTINGS))


@pytest.mark.skipif(not REF.exists(), reason="needs GATEPOST_DATA with Postfix's vectors")
@pytest.mark.parametrize(("address", "expected"), cases())
def test_resolves_as_postfix_does(address: str, expected: dict[str, str]) -> None:
    route = asyncio.run(RESOLVER.resolve(address))
    flags = expected["flags"].split()
    assert route.recipient == expected["recipient"]
    assert (route.failure is not None) == ("FLAG_ERROR" in flags)
    assert route.routed == ("FLAG_ROUTED" in flags)
    assert route.cls is (AddressClass.LOCAL if "CLASS_LOCAL" in flags else AddressClass.DEFAULT)
    if route.failure is None:
        assert (route.transport, route.nexthop) == (expected["transport"], expected["nexthop"])
