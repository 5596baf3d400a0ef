"""Look-ups where nothing can wait."""

import asyncio

import pytest

from gatepost.lookup.at_once import find_at_once
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps, Tables


def maps(value: str) -> Maps:
    return Tables(lambda text: None).maps(value, "some_maps")


def test_what_is_in_memory() -> None:
    assert find_at_once(maps("inline:{{a = b}}"), "a") == "b"
    assert find_at_once(maps("inline:{{a = b}}"), "c") is None


def test_what_fails() -> None:
    with pytest.raises(LookupFailure):
        find_at_once(maps("fail:1"), "a")


def test_what_would_wait_for_a_time() -> None:
    """There is no task here whose wait could be ended."""

    class Served:
        name = "served:table"
        whole_key = False

        async def lookup(self, key: str) -> str | None:
            async with asyncio.timeout(1):
                await asyncio.sleep(0)
            return key

        def close(self) -> None: ...

    with pytest.raises(LookupFailure, match="has to wait"):
        find_at_once(Maps((Served(),), "some_maps", lambda text: None), "a")


def test_what_would_have_to_wait() -> None:
    class Slow:
        name = "slow:table"
        whole_key = False

        async def lookup(self, key: str) -> str | None:
            await asyncio.sleep(0)
            return key

        def close(self) -> None: ...

    with pytest.raises(LookupFailure, match="has to wait"):
        find_at_once(Maps((Slow(),), "some_maps", lambda text: None), "a")
