"""What `gatepost greylist list`, `show`, `allow`, `forget` and `report` do. Whatever is told of a key is what others sent: what is
not printable is escaped."""

import time

from gatepost.cli.command import Fatal
from gatepost.cli.greylist_call import Call
from gatepost.cli.terminal import date, shown
from gatepost.policy.greylist.attempt import client_address, client_key, stored
from gatepost.policy.greylist.records import CLIENTS, FOREVER, TRIPLETS, Client, Triplet, decode, encode
from gatepost.policy.greylist.report import Tally
from gatepost.policy.greylist.settings import GreylistSettings


async def list_(call: Call) -> int:
    found = 0
    async for key, record in call.chosen():
        found += 1
        print(f"{date(record.last)}  {_state(record, call.settings):<12} {shown(key)}")
    return 0 if found or not call.words else 1


def _state(record: Triplet | Client, settings: GreylistSettings) -> str:
    if isinstance(record, Client):
        needed = settings.greylist_auto_whitelist_clients
        return "allowed" if record.count >= FOREVER or 0 < needed <= record.count else f"client {record.count}"
    if record.passed:
        return "let in"
    return "waiting" if time.time() - record.first <= settings.greylist_retry_window else "lost"


async def show_(call: Call) -> int:
    found = 0
    async for key, record in call.chosen():
        found += 1
        told = {"state": _state(record, call.settings), "last": date(record.last)}
        if isinstance(record, Triplet):
            told |= {"first": date(record.first), "attempts": f"{record.attempts} or more"}
            if record.passed:
                told["let in"] = f"{date(record.passed)}, after {record.passed - record.first} s"
        print(shown(key))
        print("".join(f"    {name}: {value}\n" for name, value in told.items()), end="")
    return 0 if found else 1


async def allow_(call: Call) -> int:
    [word] = call.words
    address = client_address(word)
    if address is None and not (word.startswith("@") and "." in word):
        raise Fatal(f"{shown(word)} is neither an IP address nor @DOMAIN", logged=False)
    key = word.lower().encode("utf-8", "surrogateescape") if address is None else client_key(address)
    await call.state.put(CLIENTS, stored(key, call.settings), encode(Client(FOREVER, int(time.time()))))
    if address is None and not call.settings.greylist_identity:
        call.command.warn("domains answer for clients only with greylist_identity", logged=False)
    return 0


async def forget_(call: Call) -> int:
    gone = 0
    async for key, record in call.chosen():
        gone += await call.state.delete(CLIENTS if isinstance(record, Client) else TRIPLETS, key)
    print(f"{gone} forgotten")
    return 0 if gone else 1


async def report_(call: Call) -> int:
    tally = Tally(call.settings, time.time(), call.days)
    async for key, entry in call.state.iterate(TRIPLETS):
        record = decode(entry, Triplet)
        if record is not None:
            tally.add(key, record)
    print("\n".join(shown(line) for line in tally.lines()))
    return 0
