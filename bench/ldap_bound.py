"""How many searches a second slapd gives at most: `python -m bench.ldap_bound [--searches N]`.

A client that does nothing but send requests made beforehand, so many outstanding on each of so many connections, and count the
answers. Nobody who asks slapd for each lookup is faster, whatever his client costs (bench/ldap_tables.py).
"""

import argparse
import selectors
import socket
import time
from collections.abc import Iterator
from itertools import islice

from bench.ldap_tables import _ENTRIES, _cpu, _person, keys
from tests.integration.slapd import BASE, Slapd

_WAYS = ((1, 1), (1, 8), (1, 32), (4, 1), (4, 8), (8, 4), (32, 1))
_DONE = 0x65
"""SearchResultDone (RFC 4511 4.5.2)."""


def _ber(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _number(value: int) -> bytes:
    return _ber(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def request(number: int, key: str) -> bytes:
    """A search below BASE for one address, and of it one attribute (RFC 4511 4.5.1)."""
    parts = _ber(4, BASE.encode()), _ber(10, b"\2"), _ber(10, b"\0"), _number(0), _number(10), _ber(1, b"\0")
    equal = _ber(0xA3, _ber(4, b"mailacceptinggeneralid") + _ber(4, key.encode()))
    return _ber(0x30, _number(number) + _ber(0x63, b"".join(parts) + equal + _ber(0x30, _ber(4, b"maildrop"))))


def ended(octets: bytes) -> tuple[int, bytes]:
    """(searches that have ended, what is not whole yet)."""
    at = found = 0
    while at + 2 <= len(octets):
        size, head = octets[at + 1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(octets[at + 2 : at + head], "big")
        if at + head + size > len(octets):
            break
        found += octets[at + head + 2 + octets[at + head + 1]] == _DONE  # behind the number of the message
        at += head + size
    return found, octets[at:]


def ask(port: int, requests: Iterator[bytes], searches: int, connections: int, outstanding: int) -> None:
    with selectors.DefaultSelector() as ready:
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(b"".join(islice(requests, outstanding)))
            ready.register(one, selectors.EVENT_READ, [b""])
        while searches > 0:
            for key, _ in ready.select():
                connection, rest = key.fileobj, key.data
                assert isinstance(connection, socket.socket)
                found, rest[0] = ended(rest[0] + connection.recv(65536))
                searches -= found
                connection.sendall(b"".join(islice(requests, found)))
        for key in list(ready.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--searches", type=int, default=40_000)
    searches = arguments.parse_args().searches
    slapd = Slapd([_person(number) for number in range(_ENTRIES)], loglevel="none")
    try:
        requests = [request(number, key) for number, key in enumerate(keys(searches, _ENTRIES), 1)]
        for connections, outstanding in _WAYS:
            begun = time.perf_counter(), time.process_time(), _cpu([slapd.pid])
            ask(slapd.port, iter(requests), searches, connections, outstanding)
            ended_at = time.perf_counter(), time.process_time(), _cpu([slapd.pid])
            passed, own, server = (after - before for before, after in zip(begun, ended_at, strict=True))
            rate, each = searches / passed, 1e6 / searches
            print(
                f"{connections:3} connections, {outstanding:2} outstanding on each  {rate:8.0f}/s  {own * each:5.1f} us CPU, "
                f"slapd {server * each:5.1f} us",
                flush=True,
            )
    finally:
        slapd.clean()


if __name__ == "__main__":
    main()
