"""Cores of gatepost.mail: addresses and headers, from everywhere."""

import re
from typing import Any

from gatepost.mail import address, header, header_address, mime, queue_id
from gatepost.mail.header_reader import HeaderReader
from tests.fuzz.pieces import octets, same, text


def _wire(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def headers(data: bytes) -> None:
    """A header section is its headers, octet for octet (but for white space before the colon), and the same in any chunks."""
    content = _wire(data)
    section = header.split(content)
    assert b"".join(one.raw for one in section.headers) == _BEFORE_COLON.sub(rb"\1:", content[: section.end])

    def run(chunks: list[bytes]) -> tuple[list[header.Header], bytes, int]:
        reader = HeaderReader(chunks)
        found = [one for batch in reader for one in batch]
        return found, b"".join(reader.rest), reader.end

    assert same(content, run) == (section.headers, content[section.end :], section.end)
    for one in section.headers:
        assert one.key.isascii() and one.key == one.key.lower() and one.key
        name, value = one.text
        assert octets(name).lower() == one.key
        octets(value)
        assert len(one.value) <= len(one.raw)


_BEFORE_COLON = re.compile(rb"(?m)^([!-9;-~]+)[ \t]+:")


def mime_walk(data: bytes) -> None:
    """The structure of a message is the same in any pieces, and its parts hold all of its octets."""
    content = _wire(data)

    def run(pieces: list[bytes]) -> list[object]:
        walk = mime.Walk(mime.Limits())
        found: list[Any] = []
        for event in (*(event for piece in pieces for event in walk.feed(piece)), *walk.finish()):
            if isinstance(event, mime.BodyFound):
                if found and isinstance(found[-1], tuple) and found[-1][1] == event.entity:
                    found[-1] = (found[-1][0] + event.text, event.entity)
                else:
                    found.append((event.text, event.entity))
            else:
                found.append(event)
        return found

    same(content, run)


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
