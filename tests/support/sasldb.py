"""Files of Berkeley DB as saslpasswd2 writes them: a hash, with its entries in one page."""

import struct
from collections.abc import Mapping

SIZE = 4096
"""Octets of a page."""


def sasldb(passwords: Mapping[tuple[str, str], bytes], name: str = "userPassword") -> bytes:
    """A file with the passwords of users and their realms."""
    return hashed({f"{user}\0{realm}\0{name}".encode(): password for (user, realm), password in passwords.items()})


def hashed(entries: Mapping[bytes, bytes]) -> bytes:
    """A file with these entries."""
    meta = struct.pack("<12xIII", 0x061561, 9, SIZE).ljust(512, b"\0").ljust(SIZE, b"\0")
    page = bytearray(SIZE)
    end, starts = SIZE, []
    for octets in (one for entry in entries.items() for one in entry):
        item = b"\1" + octets
        end -= len(item)
        page[end : end + len(item)] = item
        starts.append(end)
    struct.pack_into("<16xIHHBB", page, 0, 0, len(starts), end, 0, 13)
    struct.pack_into(f"<{len(starts)}H", page, 26, *starts)
    return meta + bytes(page)
