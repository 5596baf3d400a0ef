"""What a zombie costs: microseconds of CPU of the server for a client that postscreen turns away, and for a session of smtpd that
is refused at RCPT, for Gatepost and Postfix in turn.

    python -m bench.postscreen [CLIENTS [ROUNDS]]

Each client comes from an address of its own, but for `again`.

- `early` speaks before its turn; `listed` is on a DNS list, which is asked; `again` is, too, and has been here a moment ago. All
  are dropped.
- `refused` is a session of smtpd that says EHLO, MAIL, RCPT and QUIT where RCPT is refused without a question; for `session` smtpd
  looks up its name, and asks the same DNS list.

Of the rounds the best of each kind counts.
"""

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from bench.servers import cpu, postfix
from tests.support.free_ports import free_port
from tests.support.name_server import ZoneServer
from tests.support.running import System

_AT_ONCE = 20
_FEW = 40  # addresses of those that come again
_SAID = (b"EHLO client.example\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.net>\r\n", b"QUIT\r\n")
_POSTSCREEN = " -o postscreen_access_list= -o postscreen_client_connection_count_limit=0 -o postscreen_pre_queue_limit=1000"
_EARLY = f"{_POSTSCREEN} -o postscreen_greet_action=drop"
_LISTED = (
    f"{_POSTSCREEN} -o postscreen_greet_banner= -o postscreen_dnsbl_sites=bl.example -o postscreen_dnsbl_action=drop"
    " -o postscreen_cache_map="
)

Ports = dict[str, int]


def _master(ports: Ports) -> str:
    return (
        f"127.0.0.1:{ports['refused']} inet n - n - 1000 smtpd -o smtpd_recipient_restrictions=reject\n"
        f"127.0.0.1:{ports['session']} inet n - n - 1000 smtpd -o smtpd_peername_lookup=yes"
        " -o { smtpd_recipient_restrictions = reject_rbl_client bl.example, reject }\n"
        f"127.0.0.1:{ports['early']} inet n - n - 1 postscreen{_EARLY}\n"
        f"127.0.0.1:{ports['listed']} inet n - n - 1 postscreen{_LISTED}\n"
        f"127.0.0.1:{ports['again']} inet n - n - 1 postscreen{_LISTED}\n"
        "smtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n"
    )


def _ports() -> Ports:
    return {kind: free_port() for kind in _KINDS}


@contextmanager
def _gatepost(dns: ZoneServer) -> Iterator[tuple[int, Ports]]:
    ports = _ports()
    master = "127.0.0.1:{port} inet n - n - - smtpd\n" + _master(ports)
    with System({"smtpd_peername_lookup": "no"}, master, prefix=dns.prefix) as system:
        yield system.supervisor(), ports


@contextmanager
def _postfix() -> Iterator[tuple[int, Ports]]:
    ports = _ports()
    with postfix(services=_master(ports)) as server:
        yield server.pid, ports


_numbers = itertools.count(1 << 16)


def _source() -> tuple[str, int]:
    """An address that nobody has come from."""
    number = next(_numbers)
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 0


async def _zombie(port: int, said: bytes, source: tuple[str, int] | None = None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source or _source())
    if said:
        writer.write(said)
    with contextlib.suppress(ConnectionResetError):  # Postfix does not read what it has only peeked at
        heard = await reader.read()
        assert b"521 " in heard, heard
    writer.close()


async def _early(port: int) -> None:
    await _zombie(port, _SAID[0])


async def _listed(port: int) -> None:
    await _zombie(port, b"")


async def _again(port: int) -> None:
    await _zombie(port, b"", (f"127.0.1.{next(_numbers) % _FEW + 1}", 0))


async def _session(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=_source())
    await reader.readline()
    for line in _SAID:
        writer.write(line)
        while (await reader.readline())[3:4] == b"-":
            pass
    writer.close()


_KINDS: dict[str, Callable[[int], Coroutine[object, object, None]]] = {
    "session": _session,
    "refused": _session,
    "early": _early,
    "listed": _listed,
    "again": _again,
}


async def _crowd(kind: str, port: int, clients: int) -> None:
    left = iter(range(clients))

    async def one_after_another() -> None:
        for _ in left:
            await _KINDS[kind](port)

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


def _cost(pid: int, kind: str, port: int, clients: int) -> float:
    """Microseconds of CPU a client."""
    asyncio.run(_crowd(kind, port, 50))
    before = cpu(pid)
    asyncio.run(_crowd(kind, port, clients))
    time.sleep(0.2)
    return (cpu(pid) - before) * 1e6 / clients


def _measure(name: str, pid: int, ports: Ports, kinds: tuple[str, ...], clients: int, rounds: int) -> None:
    best = {kind: min(_cost(pid, kind, ports[kind], clients) for _ in range(rounds)) for kind in kinds}
    for kind, microseconds in best.items():
        print(
            f"{name:<10}{kind:<10}{microseconds:8.0f} µs{best[kinds[0]] / microseconds:8.1f} of them cost a {kinds[0]}", flush=True
        )


def main() -> None:
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    dns = ZoneServer("*.bl.example A 127.0.0.2\n")
    with _gatepost(dns) as (pid, ports):
        _measure("Gatepost", pid, ports, ("session", "refused", "early", "listed", "again"), clients, rounds)
    with _postfix() as (pid, ports):
        _measure("Postfix", pid, ports, ("refused", "early"), clients, rounds)
    dns.close()


if __name__ == "__main__":
    main()
