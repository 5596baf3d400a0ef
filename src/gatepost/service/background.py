"""What goes on in the background for as long as a worker lives: a fault of ours ends neither that nor the worker."""

import asyncio
from collections.abc import Awaitable, Callable

from gatepost.events.records import Fault

PAUSE = 1.0
"""Seconds until work that broke off begins anew, so that a fault that stays does not spin."""


async def lasting(work: Callable[[], Awaitable[None]], name: str, fault: Fault) -> None:
    """Do `work` until it returns, and begin it anew where it raises what nobody expected. `name`: for the log."""
    while True:
        try:
            await work()
        except Exception as error:
            fault(error, f"{name} begins anew")
            await asyncio.sleep(PAUSE)
        else:
            return
