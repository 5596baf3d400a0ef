"""What is stored of a login: small values in the shared state (state/port.py)."""

import hashlib
import unicodedata
from ipaddress import ip_address
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gatepost.policy.brake.counts import DAY, HOUR, Counts, Slots, added, day_of
from gatepost.state.port import NEVER, Entry, Space
from gatepost.state.update import Update

ACCOUNTS: Final = Space("submission")

HELD_BY: Final = "submission: "
"""How the reason begins for which the brake has held a message (its attribute `quarantine`)."""

MOST_NETWORKS: Final = 32
_LONGEST_LOGIN: Final = 255
_DAY: Final = 86400


class Block(Struct, frozen=True, array_like=True):
    """All mail of a login is held: `since` when (seconds since 1970), and `why`."""

    since: int
    why: str


class Account(Struct, frozen=True, array_like=True):
    """A login.

    - `login`: as it was given last;
    - `seen`: when it last sent something, seconds since 1970;
    - `hour`, `day`: what it did lately (counts.py);
    - `networks`: from where it sends, and the day (since 1970) when it last did;
    - `block`: None where its mail goes out.
    """

    login: str
    seen: int = 0
    hour: Slots = {}
    day: Slots = {}
    networks: dict[str, int] = {}
    block: Block | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Account).decode


def account_of(entry: Entry | None, login: str) -> Account:
    """The account in an entry; a new one where there is none, or none that can be read."""
    if entry is not None:
        try:
            return _decode(entry.value)
        except msgspec.MsgspecError:
            pass
    return Account(storable(login))


def stored(account: Account, max_age: int) -> Update:
    """As the store is to have it: a block stays until somebody lifts it, all else for `max_age` seconds."""
    return Update(_encode(account), NEVER if account.block else account.seen + max_age)


def storable(login: str) -> str:
    """A login as it is shown: of bounded length, and text that can be written down."""
    return login[:_LONGEST_LOGIN].encode("utf-8", "replace").decode()


def key_of(login: str) -> bytes:
    """Under which a login is known. Those that a back end may take for the same (LDAP ignores case and spaces) are one: a thief who
    varies how he writes it gains nothing."""
    octets = "".join(unicodedata.normalize("NFKC", login).casefold().split()).encode("utf-8", "surrogateescape")
    return octets if len(octets) <= _LONGEST_LOGIN else hashlib.blake2b(octets, digest_size=32, usedforsecurity=False).digest()


def network_of(address: str) -> str:
    """The client's network: /24 of IPv4, /64 of IPv6; empty where it has no address."""
    try:
        client = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    client = getattr(client, "ipv4_mapped", None) or client
    bits = 24 if client.version == 4 else 64
    rest = client.max_prefixlen - bits
    return f"{type(client)(int(client) >> rest << rest)}/{bits}"


def counted(account: Account, counts: Counts, now: float) -> Account:
    """The account after it has done so much more."""
    return replace(account, hour=added(account.hour, HOUR, counts, now), day=added(account.day, DAY, counts, now))


def networks_with(account: Account, network: str, now: float, max_age: int) -> dict[str, int]:
    """The networks of a login, `network` among them as the latest; what was not used for `max_age` seconds is forgotten, and of too
    many the one that was not used for longest."""
    today = day_of(now)
    kept = {name: min(day, today) for name, day in account.networks.items() if name != network and today - max_age // _DAY <= day}
    if network:
        kept[network] = today
    while len(kept) > MOST_NETWORKS:
        del kept[min(kept, key=kept.__getitem__)]
    return kept
