"""The delivery attempt of an SMTP or LMTP client as a decision object that does no input or output.

Purpose: which questions to ask the DNS, which host to try next, when to stop, and with what outcome (RFC 5321 §5.1).
Contract: the driver asks `step`, does what it says, tells the plan how that went, and asks again.
Failure: never raises for what a name server or a next hop does; that ends in `Stop` with an outcome.
Not here: connections, replies (deliver/failures.py), TLS levels (deliver/tls_policy.py).
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from gatepost.deliver.next_hop import Destination
from gatepost.mail.outcome import Class, Outcome, bounced, deferred
from gatepost.mail.reason import because
from gatepost.net.host_names import is_written_address, valid_hostname
from gatepost.net.port import MX, BadName, DnsFailure, Filtered, FilterFailed, NotFound
from gatepost.proto.smtp.reply_reader import printable

Shuffle = Callable[[list["Host"]], None]


class Host(Struct, frozen=True):
    """One address to try. `name`: what the address was found for; `address`: numeric, or the path of a UNIX-domain socket."""

    name: str
    address: str
    port: int = 0
    preference: int = 0

    @property
    def label(self) -> str:
        """As named in texts: `name[address]`."""
        return f"{self.name}[{self.address}]"

    @property
    def relay(self) -> str:
        """As logged: `name[address]:port`; the port of a UNIX-domain socket is not."""
        return f"{self.label}:{self.port}" if self.port else self.label


class FindExchangers(Struct, frozen=True):
    """Ask for the MX records of `name`; tell `exchangers` or `no_exchangers`."""

    name: str


class FindServices(Struct, frozen=True):
    """Ask for the SRV records of `name`; tell `services`, in the order in which they are to be tried, or `no_services`."""

    name: str


class FindAddresses(Struct, frozen=True):
    """Ask for the addresses of these hosts; tell `addresses`. `optional`: an exchanger may lack them."""

    hosts: tuple[MX, ...]


class Try(Struct, frozen=True):
    """Connect to `host`. `site`: the destination that it was found for, as written, which its TLS policy and password are known by.
    `final`: there is none after it. `plain`: without TLS, which has failed there. Tell `session` when it has said hello, `failed`
    when it would not, `plainly` where it is to be tried once more without TLS."""

    host: Host
    site: str
    final: bool
    plain: bool = False


class Stop(Struct, frozen=True):
    """No further host; `outcome` for the recipients that are left, as the last host had it, `relay` that host. None: no host
    was there to be tried. `here`: the best host is this one, which does not take the mail for its own. `down`: the site could not
    be reached, which counts against it."""

    outcome: Outcome | None
    relay: str = "none"
    here: bool = False
    down: bool = False


class HostPreferences(Struct, frozen=True):
    """Which hosts are tried, and in which order.

    `myhostname`: names UNIX-domain destinations.
    `families`: 4 and 6, in the order to ask for (inet_protocols).
    `prefer`: `ipv4`, `ipv6` or `any` (smtp_address_preference).
    `balance`: of many addresses, half of either family are tried (smtp_balance_inet_protocols).
    `address_limit`: how many are tried, 0 for all (smtp_mx_address_limit).
    `session_limit`: how many of them that said hello (smtp_mx_session_limit).
    `ignore_mx_error`: the domain itself is tried where the name server does not tell (ignore_mx_lookup_error).
    `ignore_srv_error`, `srv_fallback`: the domain's MX records are looked up where the name server does not tell of its SRV
    records, or where it has none (ignore_srv_lookup_error, allow_srv_lookup_fallback).
    `defer_no_address`: exchangers without addresses are a temporary failure (smtp_defer_if_no_mx_address_found).
    `own`: own addresses and those of proxies in front (inet_interfaces, proxy_interfaces), which matter at `loop_port`.
    """

    myhostname: str = "localhost"
    families: tuple[int, ...] = (4, 6)
    prefer: str = "any"
    balance: bool = True
    address_limit: int = 5
    session_limit: int = 2
    ignore_mx_error: bool = False
    ignore_srv_error: bool = False
    srv_fallback: bool = False
    defer_no_address: bool = False
    own: frozenset[str] = frozenset()
    loop_port: int = 25


def dns_reason(failure: DnsFailure) -> str:
    """Postfix's words for a failed look-up."""
    if isinstance(failure, Filtered | FilterFailed):
        return f"Error looking up name={failure.name} type={failure.record}: {failure.text}"
    if isinstance(failure, BadName):
        return f"Name service error for {failure.name}: invalid host or domain name"
    if isinstance(failure, NotFound):
        why = "Host found but no data record of requested type" if failure.exists else "Host not found"
    else:
        why = "Host not found, try again"
    return f"Host or domain name not found. Name service error for name={failure.name} type={failure.record}: {why}"


class Plan:
    """One attempt over `sites`; those after the first `primary` ones are fallback relays. `shuffle` orders hosts of one
    preference (the identity where smtp_randomize_addresses is off). `tried`: addresses that have had their turn over a kept
    connection. `warnings`: for the log."""

    def __init__(
        self,
        sites: Sequence[Destination],
        preferences: HostPreferences,
        shuffle: Shuffle,
        *,
        primary: int = 1,
        tried: frozenset[str] = frozenset(),
    ) -> None:
        self._sites = list(sites)
        self._preferences = preferences
        self._shuffle = shuffle
        self._primary = primary
        self._site = 0
        self._exchangers: tuple[MX, ...] | None = None  # of the current site, once known
        self._hosts: list[Host] | None = None  # of the current site, still to be tried
        self._by_service = self._is_service  # whether its hosts are those of SRV records
        self._sessions = 0
        self._plainly: Host | None = None
        self._tried = tried
        self._stop = Stop(None)
        self.warnings: list[str] = []

    @property
    def port(self) -> int:
        """Port of the current site."""
        return self._sites[self._site].port

    @property
    def _is_service(self) -> bool:
        return self._site < len(self._sites) and bool(self._sites[self._site].service)

    def step(self) -> FindServices | FindExchangers | FindAddresses | Try | Stop:
        """What to do next."""
        while self._site < len(self._sites):
            site = self._sites[self._site]
            if self._hosts is None:
                question = self._question(site)
                if question is not None:
                    return question
            if self._plainly is not None:
                host, self._plainly = self._plainly, None
                return Try(host, site.text, self._is_last(), plain=True)
            if self._hosts and self._hosts[0].address in self._tried:
                del self._hosts[0]
                continue
            if self._hosts and self._sessions < self._preferences.session_limit:
                return Try(self._hosts.pop(0), site.text, self._is_last())
            self._next_site()
        return self._stop

    def _is_last(self) -> bool:
        """Whether no host is left after the one to be tried now. A session more is the last one, but a connection that fails is
        not counted: then the next host has its turn."""
        last = not self._hosts or self._sessions + 1 >= self._preferences.session_limit
        return last and self._site + 1 == len(self._sites)

    def _question(self, site: Destination) -> FindServices | FindExchangers | FindAddresses | None:
        """What must be known before a host of `site` can be tried; None where its hosts are known."""
        if site.path:
            self._hosts = [Host(self._preferences.myhostname, site.path)]
        elif site.literal:
            self._hosts = self._without_self([Host(site.host, site.host, site.port)], site)
        elif self._by_service and self._exchangers is None:
            return FindServices(f"_{site.service}._tcp.{site.host}")
        elif site.exchangers and self._exchangers is None:
            return FindExchangers(site.host)
        else:
            return FindAddresses(self._exchangers or (MX(0, site.host),))
        return None

    def _next_site(self) -> None:
        self._site += 1
        self._exchangers = None
        self._hosts = None
        self._by_service = self._is_service
        self._sessions = 0

    # What the driver tells

    def exchangers(self, found: Sequence[MX]) -> None:
        """MX records of the name asked for. A single one without host is the null MX (RFC 7505)."""
        if any(not mx.host for mx in found):
            name = self._sites[self._site].host
            text = f"Domain {name} does not accept mail (nullMX)"
            self._give_up(Outcome(Class.PERMANENT, "5.1.0", text, 556, because("MX", "DNS", name, text)))
            return
        self._these(found)

    def services(self, found: Sequence[MX]) -> None:
        """Hosts of SRV records, with their ports. A single one without name: there is no such service (RFC 2782)."""
        if any(not host.host for host in found):
            site = self._sites[self._site]
            text = f"Domain {site.host} does not offer service {site.service} (null SRV)"
            self._give_up(bounced(text, "5.1.0", because("SRV", "DNS", site.host, text)))
            return
        self._these(found)

    def _these(self, found: Sequence[MX]) -> None:
        """The current site's hosts, where any is one."""
        usable = [host for host in found if self._is_usable(host.host)]
        if not usable:
            name, record = self._sites[self._site].host, self._record
            text = f"Name service error for name={name} type={record}: Malformed or unexpected name server reply"
            self._give_up(bounced(text, "5.4.4", because(record, "DNS", name, text)))
            return
        self._exchangers = tuple(sorted(usable))

    @property
    def _record(self) -> str:
        return "SRV" if self._by_service else "MX"

    def _is_usable(self, host: str) -> bool:
        """Whether an exchanger's name is one, or an address: that is not allowed (RFC 5321 §5.1), but works with other mailers. The
        log is told of either."""
        numeric = is_written_address(host)
        usable = numeric or valid_hostname(host.removeprefix("*."))
        if numeric or not usable:
            kind, shown = "numeric" if numeric else "malformed", printable(host.encode("utf-8", "surrogateescape"))[:100]
            site = self._sites[self._site].host
            self.warnings.append(f"{kind} domain name in resource data of {self._record} record for {site}: {shown}")
        return usable

    def no_exchangers(self, failure: DnsFailure) -> None:
        """There are none, or the name server did not tell."""
        if isinstance(failure, Filtered):
            self._give_up(_dns_outcome(failure))
        elif isinstance(failure, NotFound) or self._preferences.ignore_mx_error:
            # RFC 5321 §5.1: the domain itself is its exchanger.
            self._exchangers = (MX(0, failure.name),)
        else:
            self._give_up(_dns_outcome(failure))

    def no_services(self, failure: DnsFailure) -> None:
        """There are none, or the name server did not tell."""
        preferences = self._preferences
        if isinstance(failure, Filtered):
            self._give_up(_dns_outcome(failure))
        elif preferences.srv_fallback if isinstance(failure, NotFound) else preferences.ignore_srv_error:
            self._by_service, self._exchangers = False, None
        else:
            self._give_up(_dns_outcome(failure))

    def addresses(self, found: Sequence[Host], failures: Sequence[DnsFailure]) -> None:
        """Addresses of the hosts asked for, and what failed."""
        site = self._sites[self._site]
        if not found:
            if site.exchangers and self._exchangers != (MX(0, site.host),):
                self.warnings.append(f"no {self._record} host for {site.host} has a valid address record")
            temporary = [failure for failure in failures if not isinstance(failure, NotFound)]
            if self._by_service:
                return self.no_services((temporary or failures)[-1])
            outcome = _dns_outcome((temporary or failures)[-1])
            if site.exchangers and self._preferences.defer_no_address and outcome.cls is Class.PERMANENT:
                outcome = deferred(outcome.text, "4" + outcome.enhanced[1:], outcome.why)
            self._give_up(outcome)
            return None
        hosts = list(found)
        self._shuffle(hosts)
        hosts.sort(key=self._order)
        self._hosts = self._limited(self._without_self(hosts, site))
        return None

    def session(self) -> None:
        """The host said hello: this counts against smtp_mx_session_limit."""
        self._sessions += 1

    def plainly(self, host: Host) -> None:
        """The host just tried comes next once more, without TLS."""
        self._plainly = host

    def failed(self, outcome: Outcome, relay: str = "none", *, down: bool = False) -> None:
        """The host just tried did not do; if no other does, that is how the attempt ends. `down`: it could not be reached, or
        would not talk."""
        self._stop = Stop(outcome, relay, down=down)

    # Inside

    def _give_up(self, outcome: Outcome) -> None:
        """The current site is of no use."""
        self._stop = Stop(outcome, down=outcome.cls is Class.TEMPORARY)
        self._hosts = []

    def _order(self, host: Host) -> tuple[int, int]:
        family = 6 if ":" in host.address else 4
        return host.preference, int(self._preferences.prefer != "any" and self._preferences.prefer != f"ipv{family}")

    def _without_self(self, hosts: list[Host], site: Destination) -> list[Host]:
        """Hosts that are better than this one: mail must not go to an equal or worse exchanger (RFC 5321 §5.1)."""
        loop_port = self._preferences.loop_port
        mine = [host.preference for host in hosts if host.port == loop_port and host.address in self._preferences.own]
        if not mine:
            return hosts
        # Fallback relays are not for destinations that this host is an exchanger for (smtp_fallback_relay).
        del self._sites[max(self._primary, self._site + 1) :]
        better = [host for host in hosts if host.preference < min(mine)]
        if not better:
            best = self._exchangers[0].preference if self._exchangers else min(mine)
            why = because("MX", "inet_interfaces", site.host, "this host is the best exchanger that is left")
            if best < min(mine):
                self._stop = Stop(deferred(f"unable to find primary relay for {site.host}", "4.4.4", why))
            else:
                self._stop = Stop(bounced(f"mail for {site.host} loops back to myself", "5.4.6", why), here=True)
        return better

    def _limited(self, hosts: list[Host]) -> list[Host]:
        """At most smtp_mx_address_limit hosts, half of either family where both are there (smtp_balance_inet_protocols)."""
        limit = self._preferences.address_limit
        if not limit or len(hosts) <= limit:
            return hosts
        if not self._preferences.balance or limit < 2:
            return hosts[:limit]
        of6 = [host for host in hosts if ":" in host.address]
        of4 = [host for host in hosts if ":" not in host.address]
        room = limit // 2
        take6 = min(len(of6), max(room, limit - len(of4)))
        chosen = {id(host) for host in of6[:take6] + of4[: limit - take6]}
        return [host for host in hosts if id(host) in chosen]


def _dns_outcome(failure: DnsFailure) -> Outcome:
    """What a failed look-up means: permanent only where the name server was sure."""
    text = dns_reason(failure)
    why = because("DNS", "DNS", failure.name, text)
    if isinstance(failure, NotFound):
        return bounced(text, "5.4.4", why)
    return deferred(text, "4.7.0" if isinstance(failure, Filtered) else "4.4.3", why)
