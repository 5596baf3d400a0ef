"""How a session opens: who the client is, whether it may come in, and the banner (smtpd(8), postconf(5))."""

import asyncio
from typing import Final

from msgspec import structs

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import ClientUnverified, LimitExceeded
from gatepost.events.records import Connected
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.proto.proxy import Proxied, ProxyError, ProxyReader
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.data import LineEnds
from gatepost.proto.smtp.grammar import printable
from gatepost.receive.answer import MILTER, Answer, rejected
from gatepost.receive.connection import Gone
from gatepost.receive.peer import Peer, identify, network_of, plain_address
from gatepost.receive.port import Wire
from gatepost.receive.session_state import SessionState
from gatepost.receive.starttls import secure

_LINE_ENDS: Final = {
    "no": LineEnds.LENIENT,
    "yes": LineEnds.STRICT,
    "normalize": LineEnds.STRICT,
    "note": LineEnds.STRICT,
    "reject": LineEnds.REJECT,
}
_HANG_UP: Final = Answer(hangs_up=True)


async def open_session(state: SessionState) -> Answer:
    """What the client hears first. Raises Gone and LookupFailure."""
    settings = state.settings
    _own_ends(state)
    if state.wire.handed_over:
        _is_as_told(state, state.wire.ends)
    elif settings.smtpd_upstream_proxy_protocol and not await _told_by_proxy(state):
        return Answer(say.no_proxy_header(settings.myhostname))
    _is(state, await _peer(state))
    refusal = await _above_limits(state)
    if refusal is not None:
        return refusal
    if settings.smtpd_tls_wrappermode:
        if state.ports.tls is None:
            client, service = state.facts.client, state.ports.name
            dropped = f"Wrapper-mode request dropped from {client} for service {service}. TLS context initialization failed."
            state.note(f"{dropped} For details see earlier warnings in your logs.", "warning")
            return _HANG_UP
        if (untrusted := await secure(state, at_once=True)) is not None:
            return untrusted
    state.line_ends = await _line_ends(state)
    return await greet(state)


async def greet(state: SessionState) -> Answer:
    """The banner, or what policy says instead (`smtpd_delay_reject = no`)."""
    await state.choose_guards()
    await state.learn_discarded()
    refusal = await state.judge(ProtocolStage.CONNECT)
    settings = state.settings
    if refusal is not None and refusal.origin == MILTER:  # it ends the session; other refusals of a filter's come later
        return structs.replace(rejected(refusal), reply=say.unavailable(settings.myhostname))
    if any(action.kind == "milter-reject" and action.value.startswith("5") for action in state.actions):
        return Answer(say.not_accepting(settings.myhostname))
    state.refused = refusal is not None
    return rejected(refusal) if refusal is not None else Answer(say.banner(settings.smtpd_banner))


def _own_ends(state: SessionState) -> None:
    """Addresses of both ends as the socket knows them."""
    facts, transport = state.facts, state.wire.transport
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if isinstance(peer, tuple):
        facts.client_address, facts.client_port = plain_address(peer[0]), str(peer[1])
    if isinstance(own, tuple):
        facts.server_address, facts.server_port = plain_address(own[0]), str(own[1])


async def _told_by_proxy(state: SessionState) -> bool:
    """The real addresses, from the PROXY header (smtpd_upstream_proxy_protocol)."""
    try:
        async with asyncio.timeout(state.settings.smtpd_upstream_proxy_timeout):
            told = await _proxy_header(state.wire)
    except (ProxyError, Gone, TimeoutError) as error:
        state.note(f"haproxy: {printable(str(error)) or 'time limit exceeded'}", "warning")
        return False
    _is_as_told(state, told)
    return True


def _is_as_told(state: SessionState, told: Proxied | None) -> None:
    """Its ends are those that a proxy told, if it did."""
    if told is not None:
        facts = state.facts
        facts.client_address, facts.client_port = plain_address(told.client_address), told.client_port
        facts.server_address, facts.server_port = plain_address(told.server_address), told.server_port


async def _proxy_header(wire: Wire) -> Proxied | None:
    reader, core = ProxyReader(), wire.core
    while not reader.done:
        await wire.more()
        rest = reader.feed(core.peek(core.pending))
        core.purge()
        core.feed(rest)
    return reader.proxied


async def _peer(state: SessionState) -> Peer:
    facts = state.facts
    if not facts.client_address:  # a UNIX-domain socket
        facts.client_address = "127.0.0.1"
        return Peer("localhost", 2, "localhost", 2)
    if not state.settings.smtpd_peername_lookup:
        return Peer()
    return await identify(state.ports.resolver, facts.client_address)


def _is(state: SessionState, peer: Peer) -> None:
    facts = state.facts
    facts.client_name, facts.client_name_code = peer.name, peer.name_code
    facts.reverse_client_name, facts.reverse_client_name_code = peer.reverse_name, peer.reverse_code
    if peer.warning:
        state.ports.emit(ClientUnverified("smtpd", peer.warning, peer.reverse_name, facts.client_address))


async def _above_limits(state: SessionState) -> Answer | None:
    """The refusal of a client with too many connections (smtpd_client_connection_*_limit)."""
    facts, settings, ports = state.facts, state.settings, state.ports
    counted = _counted_as(state) if _has_limits(state) and not await _spared(state) else ""
    held, rate = await ports.counters.connect(ports.name, counted) if counted else (0, 0)
    state.counted = counted
    pattern_time.current().client = facts.client_address
    ports.emit(Connected(service="smtpd", client=facts.client))
    for what, number, limit in (
        ("concurrency", held, settings.smtpd_client_connection_count_limit),
        ("rate", rate, settings.smtpd_client_connection_rate_limit),
    ):
        if limit and number > limit:
            ports.emit(LimitExceeded("smtpd", f"Connection {what} limit", number, facts.client, ports.name))
            return Answer(say.too_many_connections(settings.myhostname, facts.client_address))
    return None


def _counted_as(state: SessionState) -> str:
    """The address of a client, or the network that it is counted as a part of."""
    settings = state.settings
    lengths = settings.smtpd_client_ipv4_prefix_length, settings.smtpd_client_ipv6_prefix_length
    return network_of(state.facts.client_address, *lengths)


def _has_limits(state: SessionState) -> bool:
    return state.settings.smtpd_client_connection_count_limit > 0 or any(state.ports.rate_limits.values())


async def _spared(state: SessionState) -> bool:
    """Whether a client is not counted at all: it is excepted, or may speak for others by XCLIENT."""
    try:
        return await state.client_is("event_exceptions") or await state.client_is("xclient_hosts")
    except LookupFailure:
        return False  # EHLO will have to know, and ask again


async def _line_ends(state: SessionState) -> LineEnds:
    ends = _LINE_ENDS.get(state.settings.smtpd_forbid_bare_newline.lower(), LineEnds.STRICT)
    if ends is not LineEnds.LENIENT and await state.client_is("bare_newline_exclusions"):
        return LineEnds.LENIENT
    return ends
