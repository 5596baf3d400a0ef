"""What the headers of a part say of it (RFC 2045 section 5 and 6, RFC 2183), read leniently, and what in them is ambiguous."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.port import Ambiguity
from gatepost.filter.text.encoded_words import decoded_words
from gatepost.mail.content_type import content_type, parameters, transfer_encoding

_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-transfer-encoding"
_DISPOSITION: Final = b"content-disposition"
_MIME: Final = frozenset((_TYPE, _ENCODING, _DISPOSITION))


class EntityHeaders(Struct, frozen=True):
    """As the fields of a Part of these names are."""

    type: str = "text/plain"
    charset: str = ""
    encoding: str = ""
    name: bytes = b""
    disposition: str = ""
    ambiguities: tuple[Ambiguity, ...] = ()


PLAIN: Final = EntityHeaders(charset="us-ascii")
"""Of a part without a Content-Type (RFC 2045 section 5.2)."""


def entity_headers(headers: Sequence[tuple[bytes, bytes]], default: EntityHeaders) -> EntityHeaders:
    """What `headers`, names and values, say; `default` where they say nothing. Of several of a name the last counts."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if (lower := name.lower()) in _MIME:
            values.setdefault(lower, []).append(value)
    if not values:
        return default
    kind = values.get(_TYPE, [b""])[-1]
    disposition = values.get(_DISPOSITION, [b""])[-1]
    of_type, of_disposition = parameters(kind), parameters(disposition)
    encoding = transfer_encoding(values[_ENCODING][-1]) if _ENCODING in values else None
    return EntityHeaders(
        type=_type(kind) or default.type,
        charset=of_type.get("charset", b"").decode("latin-1").strip(" '").lower() if kind.strip() else default.charset,
        encoding=encoding[0] if encoding else "",
        name=decoded_words(of_disposition.get("filename") or of_type.get("name", b"")),
        disposition=disposition.partition(b";")[0].strip().lower().decode("latin-1"),
        ambiguities=tuple(_ambiguities(values, encoding[0] if encoding else "")),
    )


def _type(value: bytes) -> str:
    found = content_type(value)
    if found.subtype:
        return f"{found.type}/{found.subtype}"
    return "text/plain" if found.type == "text" else found.type


def _ambiguities(values: dict[bytes, list[bytes]], encoding: str) -> Iterator[Ambiguity]:
    kinds = values.get(_TYPE, [])
    if len(kinds) > 1:
        yield Ambiguity.TYPES
    if len(values.get(_ENCODING, [])) > 1:
        yield Ambiguity.ENCODINGS
    boundaries = [boundary for kind in kinds for boundary in content_type(kind, loose=True).boundaries]
    if len(boundaries) > 1 or any(content_type(kind).boundaries != content_type(kind, loose=True).boundaries for kind in kinds):
        yield Ambiguity.BOUNDARIES
    if any(b"\0" in value for several in values.values() for value in several):
        yield Ambiguity.NUL
    if boundaries and encoding in ("base64", "quoted-printable"):
        yield Ambiguity.ENCODED
