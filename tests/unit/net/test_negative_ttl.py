"""How long it counts that a name does not exist."""

import asyncio
import math
from types import SimpleNamespace

import pytest
from tests.support.fake_dns import FakeDns

from gatepost.net.dns import _READ
from gatepost.net.negative_ttl import NegativeTtl

ZONE = """
bl.example SOA 120
bl.example NS ns.example
long.example SOA 86400
away.example SERVFAIL
deep.in.zone.example A 192.0.2.1
zone.example SOA 30
"""


@pytest.mark.parametrize(
    ("domain", "ttl"),
    [
        ("bl.example", 120),
        ("long.example", 3600),
        ("deep.in.zone.example", 30),
        ("away.example", math.inf),
        ("none.test", math.inf),
        ("example", math.inf),
    ],
)
def test_a_zone_says_it(domain: str, ttl: float) -> None:
    """The shorter one of the number in the record and its own time to live (RFC 2308 §5)."""
    assert asyncio.run(NegativeTtl(FakeDns(ZONE), lambda: 0.0).of(domain)) == ttl  # type: ignore[arg-type]


def test_it_is_asked_once_while_that_counts() -> None:
    now, dns = [0.0], FakeDns(ZONE)
    one = NegativeTtl(dns, lambda: now[0])  # type: ignore[arg-type]

    async def scene() -> None:
        assert [await one.of("bl.example") for _ in range(3)] == [120] * 3
        now[0] = 119
        assert await one.of("bl.example") == 120
        assert dns.asked == ["bl.example SOA"]
        now[0] = 121
        await one.of("bl.example")
        assert dns.asked == ["bl.example SOA"] * 2
        assert await one.of("away.example") == await one.of("away.example") == math.inf
        assert dns.asked.count("away.example SOA") == 1

    asyncio.run(scene())


def test_who_comes_while_it_is_asked_does_not_wait() -> None:
    class Silent(FakeDns):
        async def answer(self, name: str, record: str) -> None:  # type: ignore[override]
            await asyncio.sleep(10_000)

    async def scene() -> float:
        one = NegativeTtl(Silent(ZONE), lambda: 0.0)  # type: ignore[arg-type]
        first = asyncio.create_task(one.of("bl.example"))
        await asyncio.sleep(0)
        ttl = await one.of("bl.example")
        first.cancel()
        return ttl

    assert asyncio.run(scene()) == math.inf


def test_the_number_of_the_record_is_read() -> None:
    assert _READ["SOA"](SimpleNamespace(minimum=300)) == 300
