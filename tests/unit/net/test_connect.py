"""smtp_bind_address: what happens where it cannot be used."""

import asyncio
import errno

import pytest

from gatepost.net.connect import Endpoint, SocketConnector

FOREIGN = "192.0.2.7"


async def connected(warn: list[str] | None) -> bool:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    connector = SocketConnector(FOREIGN, "", None if warn is None else warn.append)
    try:
        return isinstance(await connector.connect(asyncio.Protocol, endpoint, 5), asyncio.Protocol)
    finally:
        server.close()


def test_the_system_chooses_and_the_log_says_so() -> None:
    told: list[str] = []
    assert asyncio.run(connected(told))
    assert told == [f"bind {FOREIGN}: Cannot assign requested address"]


def test_enforced() -> None:
    with pytest.raises(OSError, match="assign requested address") as error:
        asyncio.run(connected(None))
    assert error.value.errno == errno.EADDRNOTAVAIL
