"""The addresses of a header, each replaced by what somebody makes of it; the rest of its text stays as it is written."""

from collections.abc import Awaitable, Callable

from gatepost.mail.header import Header
from gatepost.mail.header_address import Token, addresses, fold, joined, parse, scan
from gatepost.net.turns import Turns, beside

Replace = Callable[[str, list[Token]], Awaitable[str]]
"""What takes the place of an address, in external form; it is given in external form and as its tokens."""


async def with_addresses(header: Header, replace: Replace, token_limit: int = 0) -> bytes:
    """The octets of `header` afterwards; the same ones where no address changed. `token_limit`: tokens that are looked at, 0 for
    all (header_address_token_limit). Raises what `replace` raises."""
    name, text = header.text
    tokens = await beside(len(text), parse, text, token_limit)
    changed = False
    turns = Turns()
    for token in addresses(tokens):
        if turns.over():
            await turns.rest()
        before = joined(token.parts)
        after = await replace(before, token.parts)
        if after != before:
            token.parts = scan(after)
            changed = True
    if not changed:
        return header.raw
    return (await beside(len(text), fold, name, tokens)).replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n"
