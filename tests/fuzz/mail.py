"""Cores of gatepost.mail: addresses and headers, from everywhere."""

from gatepost.mail import address, header, header_address, queue_id
from tests.fuzz.pieces import octets, text


def headers(data: bytes) -> None:
    """A header section is its headers, octet for octet."""
    content = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    section = header.split(content)
    assert b"".join(one.raw for one in section.headers) == content[: section.end]
    for one in section.headers:
        assert one.key.isascii() and one.key == one.key.lower() and one.key
        name, value = one.text
        assert octets(name).lower() == one.key
        octets(value)
        assert len(one.value) <= len(one.raw)


def header_addresses(data: bytes) -> None:
    """Rewriting a header that has been rewritten changes nothing, and adds no more than quotes and commas."""
    written = text(data)
    tokens = header_address.parse(written)
    once = octets(header_address.external(tokens))
    assert len(once) <= 4 * len(written) + 4
    for token in header_address.addresses(tokens):
        octets(header_address.internal(token.parts))
    octets(header_address.fold("To", tokens))
    assert len(header_address.parse(written, 3)) <= 8


def addresses(data: bytes) -> None:
    """External form and back; nothing is lost."""
    one = text(data)
    assert address.internal(address.external(one)) == one
    local, domain = address.split(one)
    assert one in (local, f"{local}@{domain}")
    assert address.to_bytes(one) == data
    assert address.domain_of(one) == domain


def queue_ids(data: bytes) -> None:
    """What reads as a queue id writes as one that is the same."""
    try:
        found = queue_id.parse(text(data))
    except ValueError:
        return
    assert queue_id.parse(str(found)) == found
