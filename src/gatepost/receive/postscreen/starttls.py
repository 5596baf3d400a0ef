"""STARTTLS of clients in the engine (RFC 3207): the handshake, what the log says of it, as Postfix's tlsproxy(8) does, and whether
the client has shown the certificate that it must."""

from typing import Any, Final

from gatepost.events.notes import TlsEstablished, TlsFailed
from gatepost.events.records import Note
from gatepost.lookup.port import LookupFailure
from gatepost.net.handshake_watch import faults_of
from gatepost.net.tls import ServerTls
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.connection import Connection
from gatepost.receive.postscreen.port import Ports
from gatepost.receive.postscreen.settings import PostscreenSettings

_SERVICE: Final = "tlsproxy"


async def secure(
    connection: Connection, tls: ServerTls, settings: PostscreenSettings, ports: Ports, client: str, address: str
) -> ServerReply | None:
    """The handshake; what a client hears that shows no certificate that is trusted, where it must (postscreen_tls_req_ccert).
    Raises OSError where it fails, and the log has it."""
    try:
        connected: Any = await connection.start_tls(tls.context, settings.postscreen_starttls_timeout)
    except OSError as error:
        faults = faults_of(error)
        reason = "-1" if faults else "Connection timed out" if isinstance(error, TimeoutError) else "lost connection"
        ports.emit(TlsFailed(_SERVICE, "SSL_accept", "from", client, reason))
        for fault in faults:
            ports.emit(Note(_SERVICE, f"TLS library problem: {fault}", "warning"))
        raise
    told = tls.describe(connected)
    if await _loglevel(settings, ports, address):
        trust = "Trusted" if told.trusted else "Untrusted" if told.fingerprint else "Anonymous"
        ports.emit(TlsEstablished(_SERVICE, trust, "from", client, str(told)))
    if not tls.insists or told.trusted:
        return None
    what = "Client certificate not trusted" if told.fingerprint else "No client certificate presented"
    ports.emit(Note(_SERVICE, f"abort: TLS from {client}: {what}"))
    return say.bad_client_certificate(settings.myhostname, what)


async def _loglevel(settings: PostscreenSettings, ports: Ports, address: str) -> int:
    """postscreen_tls_loglevel, or what postscreen_tls_loglevel_maps says of this client; a session is told of from 1 on."""
    find = ports.lookups.tls_loglevel
    if find is not None:
        try:
            found = await find(address)
        except LookupFailure:  # the log has it, and mail does not depend on this
            found = None
        if found is not None and found.isascii() and found.isdigit():
            return int(found)
    return settings.postscreen_tls_loglevel
