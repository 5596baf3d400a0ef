"""What idle connections cost: N clients that have been greeted and say nothing, and the memory of the process tree for each.

python -m bench.idle [N [gatepost|postfix]]      (as root; default 1000 gatepost)
"""

import asyncio
import resource
import sys

from bench.servers import free_port, gatepost, memory, postfix

_SERVERS = {"gatepost": gatepost, "postfix": postfix}
_LIMITS = "default_process_limit = {limit}\nsmtpd_client_connection_rate_limit = 0"
_AT_ONCE = 50  # connections being opened


async def hold(port: int, count: int) -> list[asyncio.StreamWriter]:
    """Open `count` connections and wait for each one's greeting. Raises OSError, or SystemExit where one is turned away."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one() -> asyncio.StreamWriter:
        async with turn:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            greeting = await asyncio.wait_for(reader.readline(), 60)
        if not greeting.startswith(b"220"):
            raise SystemExit(f"bench: turned away: {greeting.decode(errors='replace').strip()}")
        return writer

    return await asyncio.gather(*(one() for _ in range(count)))


async def measure(name: str, count: int) -> None:
    with _SERVERS[name](free_port(), limit=str(count + 100), more=_LIMITS.format(limit=count + 100)) as server:
        (await hold(server.port, 1))[0].close()
        await asyncio.sleep(1)
        before = memory(server.pid)
        writers = await hold(server.port, count)
        await asyncio.sleep(1)
        after = memory(server.pid)
        for writer in writers:
            writer.close()
    print(f"{name}: {count} idle connections, PSS {before:.1f} -> {after:.1f} MiB, {(after - before) / count * 1024:.1f} KiB each")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    wanted = count + 1024  # of this process; the server's workers have limits of their own
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    asyncio.run(measure(sys.argv[2] if len(sys.argv) > 2 else "gatepost", count))


if __name__ == "__main__":
    main()
