"""smtp_generic_maps: our own addresses as the outside knows them, when mail leaves (generic(5))."""

from gatepost.mail.header import Header
from gatepost.mail.header_address import addresses, external, fold, internal, parse, requoted, scan
from gatepost.net.turns import Turns, beside
from gatepost.routing.aliases import AddressMap

# Headers whose addresses are replaced: those of senders and of recipients.
HEADERS = frozenset(
    (
        "apparently-to", "bcc", "cc", "disposition-notification-to", "errors-to", "from", "mail-followup-to", "reply-to",
        "resent-bcc", "resent-cc", "resent-from", "resent-reply-to", "resent-sender", "resent-to", "return-path",
        "return-receipt-to", "sender", "to",
    )
)  # fmt: skip


async def address(table: AddressMap, original: str) -> str:
    """An envelope address (internal form) as the table has it; unchanged where it has nothing. Raises LookupFailure."""
    found = await table.lookup(original) if original else None
    return found[0] if found else original


async def header(table: AddressMap, original: Header) -> bytes:
    """The octets of a header with its addresses replaced; the same octets where none was. Raises LookupFailure."""
    if original.key not in HEADERS:
        return original.raw
    name, text = original.text
    tokens = await beside(len(text), parse, text)
    changed = False
    turns = Turns()
    for token in addresses(tokens):
        if turns.over():
            await turns.rest()
        before = external(token.parts)
        after = requoted(await address(table, internal(token.parts)))
        if after != before:
            token.parts = scan(after)
            changed = True
    if not changed:
        return original.raw
    return (await beside(len(text), fold, name, tokens)).replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n"
