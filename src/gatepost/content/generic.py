"""smtp_generic_maps: our own addresses as the outside knows them, when mail leaves (generic(5))."""

from collections.abc import Callable
from pathlib import Path

from gatepost.content.aside import Aside
from gatepost.content.header_addresses import with_addresses
from gatepost.content.header_names import ROLES, Role
from gatepost.mail.content import Content, FileContent, MemoryContent, SplicedContent
from gatepost.mail.header import Header
from gatepost.mail.header_address import Token, internal, requoted
from gatepost.mail.header_reader import HeaderReader
from gatepost.net.turns import Turns
from gatepost.routing.aliases import AddressMap


async def address(table: AddressMap, original: str) -> str:
    """An envelope address (internal form) as the table has it; unchanged where it has nothing. Raises LookupFailure."""
    found = await table.lookup(original) if original else None
    return found[0] if found else original


async def header(table: AddressMap, original: Header) -> bytes:
    """The octets of a header with its addresses replaced; the same octets where none was. Raises LookupFailure."""
    if not ROLES.get(original.key, Role.NONE) & Role.ADDRESSED:
        return original.raw

    async def replace(before: str, parts: list[Token]) -> str:
        return requoted(await address(table, internal(parts)))

    return await with_addresses(original, replace)


async def content(table: AddressMap, original: Content, staging: Callable[[], Path]) -> Content:
    """The content with the addresses of its headers replaced: the same one where none was. What follows the headers stays where it
    is, unless they are many. `staging`: see `Aside`. Raises LookupFailure, OSError."""
    reader = HeaderReader(original.chunks())
    written = Aside(staging)
    turns = Turns()
    changed = False
    for headers in reader:
        for one in headers:
            if turns.over():
                await turns.rest()
            octets = await header(table, one)
            changed = changed or octets != one.raw
            written.write(octets)
    if not changed:
        return original
    head = written.content()
    if isinstance(original, FileContent) and isinstance(head, MemoryContent):
        return SplicedContent(head.data, original.after(reader.end))
    for chunk in reader.rest:
        written.write(chunk)
    return written.content()
