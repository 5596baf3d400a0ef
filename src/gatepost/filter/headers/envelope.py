"""The envelope sender of a message that did not come by a session of ours, as SpamAssassin finds it (perldoc
Mail::SpamAssassin::Conf, envelope_sender_header).

Headers that tell of it are believed where the mail server that delivered put them: above the Received lines of others.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gatepost.filter.headers.addresses import mailboxes
from gatepost.filter.headers.section import Section
from gatepost.filter.headers.values import unfolded
from gatepost.filter.port import Relays, Session

_RECEIVED: Final = b"received"
_RETURN_PATH: Final = b"return-path"
_X_ENVELOPE_FROM: Final = b"x-envelope-from"


def envelope_sender(headers: Section, session: Session, relays: Relays, options: Mapping[str, Sequence[str]]) -> bytes | None:
    """The address; None where it is not known or empty."""
    if session.sender is not None:
        return session.sender.encode("utf-8", "surrogateescape") or None
    if named := options.get("envelope_sender_header"):
        return _address(headers, named[-1].lower().encode())
    return _of_hop(relays) or _of_headers(headers)


def _of_hop(relays: Relays) -> bytes | None:
    """What the last host that is believed says of the hop to it."""
    hops = relays.untrusted[:1] or relays.trusted[-1:]
    return hops[0].envfrom.encode("latin-1", "replace") if hops and "@" in hops[0].envfrom else None


def _of_headers(headers: Section) -> bytes | None:
    if _told(headers, b"x-sender") and _fetched(headers):
        return None  # fetchmail writes the one and drops the others
    if _told(headers, _X_ENVELOPE_FROM):
        return None if _below_received(headers, _X_ENVELOPE_FROM) else _address(headers, _X_ENVELOPE_FROM)
    if _told(headers, b"envelope-sender") and not _below_received(headers, b"envelope-sender"):
        return _address(headers, b"envelope-sender")
    if _told(headers, _RETURN_PATH) and not _below_received(headers, _RETURN_PATH):
        return _address(headers, _RETURN_PATH)
    return None


def _first(headers: Section, name: bytes) -> bytes:
    return next((field.raw for field in headers.fields if field.key == name), b"")


def _told(headers: Section, name: bytes) -> bool:
    return b"@" in _first(headers, name)


def _address(headers: Section, name: bytes) -> bytes | None:
    return next((one.address for one in mailboxes(unfolded(_first(headers, name))) if one.address), None)


def _fetched(headers: Section) -> bool:
    return any(field.key == _RECEIVED and b"(fetchmail" in field.raw for field in headers.fields)


def _below_received(headers: Section, name: bytes) -> bool:
    """Whether a header of this name stands below a Received line."""
    keys = [field.key for field in headers.fields if field.key in (name, _RECEIVED)]
    return _RECEIVED in keys and name in keys[keys.index(_RECEIVED) :]
