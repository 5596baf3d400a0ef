"""What a session needs from the rooms around it. The composition root hands these in; tests hand in fakes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from gatepost.admission.gates import Gates, Guards
from gatepost.admission.port import Admitted
from gatepost.auth.offer import ServerSasl
from gatepost.events.records import Emit
from gatepost.mail.date import MailDates
from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId
from gatepost.net.port import Resolver
from gatepost.net.tls import ServerTls
from gatepost.proto.proxy import Proxied
from gatepost.proto.smtp.commands import ServerDialect
from gatepost.proto.smtp.server import ServerCore, ServerEvent
from gatepost.receive.proxy_filter import ProxyFilter
from gatepost.state.port import Counters, Rate


class ContentTaker(Protocol):
    """Where the content of a message goes."""

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        """The next octets of the content, canonical; any cut. `plain`: they are known to be so (mail/content.py, `is_plain`)."""
        ...


class Intake(ContentTaker, Protocol):
    """A message on its way in."""

    async def admit(self, envelope: Envelope, *, dropped: bool) -> Admitted:
        """The content is complete: the message is made durable, or `dropped` once nothing is wrong with it. Raises QueueUnavailable
        where that cannot be."""
        ...

    def abort(self) -> None:
        """Forget the message."""
        ...


class Admission(Protocol):
    def open(
        self, queue_id: QueueId, *, client: str, origin_service: str, context: str, in_lines: bool = False, guards: Guards | None
    ) -> Intake:
        """Begin a message. `client`: `name[address]`; `context`: `local` or `remote` (header rewriting); `in_lines`: CR and LF
        come as line ends only, for sure; `guards`: who has watched the session so far."""
        ...


ClientList = Callable[[str, str], Awaitable[bool]]
"""Whether a client (name, address) is in a list such as `mynetworks`."""

WordList = Callable[[str], Awaitable[bool]]
"""Whether a word is in a list such as `smtpd_forbidden_commands`."""


async def no_client(name: str, address: str) -> bool:
    """The empty client list."""
    return False


async def no_word(word: str) -> bool:
    """The empty word list."""
    return False


async def any_address(address: str, sender: str) -> bool:
    """The address check of a service that has no routing: everything parsable is well-formed."""
    return True


async def refuse_etrn(domain: str) -> bool | None:
    """The flush port of a service without `fast_flush_domains`."""
    return None


async def no_keywords(address: str) -> str | None:
    """`smtpd_discard_ehlo_keyword_address_maps` where none is set."""
    return None


class Lookups(Struct, frozen=True):
    """Lists and questions that a session asks, each already bound to its parameter.

    - `xclient_hosts`, `xforward_hosts`: smtpd_authorized_xclient_hosts, smtpd_authorized_xforward_hosts.
    - `event_exceptions`: smtpd_client_event_limit_exceptions.
    - `bare_newline_exclusions`: smtpd_forbid_bare_newline_exclusions.
    - `verp_clients`: smtpd_authorized_verp_clients.
    - `local_rewrite`: local_header_rewrite_clients.
    - `sasl_exceptions`: smtpd_sasl_exceptions_networks.
    - `certified`: relay_clientcerts, for a fingerprint.
    - `rewrites_logins`: local_header_rewrite_clients has permit_sasl_authenticated.
    - `debug_peers`: debug_peer_list; None: nobody is on it.
    - `noop`, `forbidden`: smtpd_noop_commands, smtpd_forbidden_commands.
    - `well_formed`: whether an address can be resolved at all (else 501), for mail from a sender.
    - `flush`: start delivery to a domain: True, queue not able to: False, not a domain of fast_flush_domains: None.
    - `discard_keywords`: value of smtpd_discard_ehlo_keyword_address_maps for a client address.
    - `command_filter`: smtpd_command_filter for a line.
    - `footer`: smtpd_reject_footer_maps for a refusal.
    - `reject_filter`: smtpd_reject_filter_maps for a refusal.
    - `room_for`: whether the queue has room for a message of so many octets (queue_minfree).
    - `own_sender`: the sender of our own probes of addresses, where an address is that, as it is delivered to.
    - `tls_loglevel`: smtpd_tls_loglevel_maps for a client's name or address; None: there are none.
    - `report`: takes subject and text of a notice to the postmaster about a session (notify_classes).

    Raise LookupFailure where a table cannot answer, after a line in the log: `certified`, `xclient_hosts`, `xforward_hosts`,
    `verp_clients`, `local_rewrite`, `discard_keywords`, `command_filter`, `footer`, `reject_filter`, `tls_loglevel`.
    """

    xclient_hosts: ClientList = no_client
    xforward_hosts: ClientList = no_client
    event_exceptions: ClientList = no_client
    bare_newline_exclusions: ClientList = no_client
    verp_clients: ClientList = no_client
    local_rewrite: ClientList = no_client
    sasl_exceptions: ClientList = no_client
    certified: Callable[[str], Awaitable[str | None]] = no_keywords
    rewrites_logins: bool = False
    debug_peers: ClientList | None = None
    noop: WordList | None = None
    forbidden: WordList = no_word
    well_formed: Callable[[str, str], Awaitable[bool]] = any_address
    flush: Callable[[str], Awaitable[bool | None]] = refuse_etrn
    discard_keywords: Callable[[str], Awaitable[str | None]] = no_keywords
    command_filter: Callable[[str], Awaitable[str | None]] | None = None
    footer: Callable[[str], Awaitable[str | None]] | None = None
    reject_filter: Callable[[str], Awaitable[str | None]] | None = None
    room_for: Callable[[int], bool] = lambda size: True
    own_sender: Callable[[str], str | None] = lambda address: None
    tls_loglevel: Callable[[str], Awaitable[str | None]] | None = None
    report: Callable[[str, str], None] | None = None


class Wire(Protocol):
    """A client's connection as far as a verb may use it: to read what follows a command, and for TLS. Replies are for the loop."""

    @property
    def core(self) -> ServerCore: ...

    @property
    def transport(self) -> asyncio.Transport: ...

    @property
    def handed_over(self) -> bool:
        """Whether postscreen has accepted it; see Connection."""
        ...

    @property
    def ends(self) -> Proxied | None:
        """Its ends as a proxy told them to postscreen."""
        ...

    async def next_event(self) -> ServerEvent:
        """The next event of the protocol. Raises Gone."""
        ...

    async def more(self) -> None:
        """Send what was gathered and wait until more came in. Raises Gone."""
        ...

    async def start_tls(self, context: Any, time_limit: float, *, at_once: bool = False) -> Any:
        """Become the server side of TLS; see Connection.start_tls. Raises OSError."""
        ...


class SmtpdPorts(Struct, frozen=True):
    """The rooms around the sessions of one smtpd service.

    - `name`: the service name as logged (`smtp`, `2525`).
    - `dialect`: SMTP or LMTP.
    - `gates`: who is asked at each stage, the restriction lists first.
    - `clock`: seconds since 1970.
    - `tls`: None where it is not offered, or `tls_unavailable`: it should be, and cannot.
    - `requires_tls`: smtpd_tls_security_level is `encrypt`.
    - `sasl`: log-ins; None: AUTH is not enabled.
    - `rate_limits`: by what is counted; none, or 0: no limit.
    - `next_instance`: a fresh `instance` attribute (SMTPD_POLICY_README), the same for all requests about one message.
    - `notify_classes`: of which troubles the postmaster is told.
    - `proxy_filter`: the before-queue filter that all mail goes through; None: it goes to the queue.
    - `tells_permits`: somebody wants to know by which rule each recipient was let in.
    """

    name: str
    dialect: ServerDialect
    gates: Gates
    admission: Admission
    new_id: Callable[[], QueueId]
    resolver: Resolver
    counters: Counters
    emit: Emit
    clock: Callable[[], float]
    lookups: Lookups
    tls: ServerTls | None
    tls_unavailable: bool
    requires_tls: bool
    rate_limits: Mapping[Rate, int]
    mail_date: MailDates
    next_instance: Callable[[], str]
    notify_classes: frozenset[str]
    proxy_filter: ProxyFilter | None = None
    tells_permits: bool = False
    sasl: ServerSasl | None = None
