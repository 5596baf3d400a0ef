"""The hops of a message, and how far they can be believed (perldoc Mail::SpamAssassin::Conf, trusted_networks).

The latest hop is what our own server knows, where the message came by a session; else what the first Received line tells. Each
hop vouches for the next one while it is trusted: what an untrusted host handed to us may be all of its own making.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.filter.headers.section import Section
from gatepost.filter.port import Relay, Relays, Session
from gatepost.filter.relays.networks import Networks, address, is_private, networks
from gatepost.filter.relays.received import Untold, cleaned, hop, named_address, unfolded

LIMIT: Final = 100
"""Received lines that are looked at: no mail server passes on what has gone so far (RFC 5321 §6.3: at least 100)."""

_CLIENT: Final = -1
"""The line of the hop that the session tells of, where no Received line does."""


class _Hop(Struct, frozen=True):
    """A hop, and which of the Received lines tells of it. `fetched`: the line is of a program that fetched the message, so that
    what stands before it happened within one's own machine."""

    relay: Relay
    line: int
    fetched: bool = False


class _Lists(Struct, frozen=True):
    """The settings of an administrator; None: not set."""

    trusted: Networks | None
    internal: Networks | None
    msa: Networks | None


class _Trust(Struct, frozen=True):
    """What is believed on the way from our server outwards. `submitted`: a submission server was passed, and whoever stands behind
    it is as good as it."""

    trusted: bool = True
    internal: bool = True
    submitted: bool = False


def relays(headers: Section, session: Session, options: Mapping[str, Sequence[str]]) -> Relays:
    """The hops that `session` and the Received lines of `headers` tell of.

    options: settings of the rule files by name (trusted_networks, internal_networks, msa_networks), one value an occurrence.
    """
    told = [hop(unfolded(field.raw)) for field in headers.fields if field.key == b"received"][:LIMIT]
    lines = [found for at, one in enumerate(told) if (found := _hop(one, at))]
    lines = [*_with_client(lines, session), *_originating(headers, options.get("originating_ip_headers", ()), len(told))]
    hops = _judged(lines, _lists(options))
    trusted = sum(trust.trusted for _, trust in hops)
    internal = sum(trust.internal for _, trust in hops)
    all_relays = tuple([one.relay for one, _ in hops])
    return Relays(
        trusted=all_relays[:trusted],
        untrusted=all_relays[trusted:],
        internal=all_relays[:internal],
        external=all_relays[internal:],
        unparsed=told.count(Untold.UNPARSED),
        untrusted_line=hops[trusted][0].line if trusted < len(hops) else None,
        external_line=hops[internal][0].line if internal < len(hops) else None,
    )


def _hop(told: Relay | Untold, line: int) -> _Hop | None:
    if isinstance(told, Relay):
        return _Hop(told, line)
    return _Hop(Relay(), line, fetched=True) if told is Untold.FETCHED else None


def _originating(headers: Section, names: Sequence[str], lines: int) -> Iterator[_Hop]:
    """Hops before the first one, of which webmail tells in headers of its own."""
    for name in " ".join(names).lower().encode().split():
        raw = next((field.raw for field in reversed(headers.fields) if field.key == name), b"")
        if ip := named_address(unfolded(raw)):
            yield _Hop(Relay(ip=ip), lines)


def _with_client(lines: list[_Hop], session: Session) -> list[_Hop]:
    """All hops, the latest first. A first line that tells of the client of the session is our own: the session knows better."""
    if not session.client_address:
        return lines
    own = bool(lines) and not lines[0].fetched and address(lines[0].relay.ip) == address(session.client_address)
    first = lines[0] if own else _Hop(Relay(ip=session.client_address), _CLIENT)
    known = replace(
        first.relay,
        rdns="" if session.client_name == "unknown" else cleaned(session.client_name),
        helo=cleaned(session.helo),
        ident="",
        nameless=session.client_name in ("", "unknown"),
        auth="ESMTPA" if session.login else "",
    )
    return [_Hop(known, first.line), *lines[own:]]


def _lists(options: Mapping[str, Sequence[str]]) -> _Lists:
    trusted, internal, msa = (
        networks(tuple(values)) if (values := options.get(name)) else None
        for name in ("trusted_networks", "internal_networks", "msa_networks")
    )
    return _Lists(trusted or internal, internal or trusted, msa)


def _judged(hops: Sequence[_Hop], lists: _Lists) -> list[tuple[_Hop, _Trust]]:
    """The hops, and what is believed of each."""
    before = _Trust()
    judged: list[tuple[_Hop, _Trust]] = []
    for one in hops:
        if one.fetched:
            if before.trusted:
                before, judged = _Trust(), []
            continue
        trust = _trust(before, one.relay, lists)
        submitted = trust.submitted and not before.submitted
        judged.append((_Hop(replace(one.relay, intl=trust.internal, msa=submitted), one.line), trust))
        before = trust
    return judged


def _trust(before: _Trust, relay: Relay, lists: _Lists) -> _Trust:
    """What is believed of `relay`, given what is of the host that tells of it. A log-in that a trusted host saw makes the client as
    good as the host. Where no network is listed, hosts of private networks are one's own."""
    if not before.trusted or before.submitted:
        return before
    ip = address(relay.ip)
    if relay.auth:
        trusted = internal = True
    elif lists.trusted is None or lists.internal is None:
        trusted = internal = is_private(relay.ip)
    else:
        trusted, internal = ip in lists.trusted, ip in lists.internal
    return _Trust(trusted, trusted and internal and before.internal, trusted and lists.msa is not None and ip in lists.msa)
