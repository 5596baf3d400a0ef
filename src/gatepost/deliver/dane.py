"""What DANE makes of a TLS level for one host: SMTP security by TLSA records (RFC 7672), `dane` and `dane-only`.

Contract: the answers that led to the host are asked for once more, of a name server that says whether DNSSEC vouches for them; a
host that is not among them is one that nothing vouches for.
Failure: NoDane, after which this host gets no mail; an answer that does not come is never taken for "no records".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.ports import known_ports
from gatepost.deliver.next_hop import BadDestination, Destination, parse
from gatepost.deliver.plan import Host, dns_reason
from gatepost.deliver.reported_policy import no_dane, of_records
from gatepost.deliver.smtp_options import asks_dns
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.tls_level import BadTlsPolicy, Level, parse_level
from gatepost.events.records import Emit, Note
from gatepost.net.host_names import numeric_address
from gatepost.net.port import TLSA, Answer, DnsFailure, NotFound, SecureSource
from gatepost.net.tls_parameters import TlsFailure
from gatepost.tlsrpt.outcome import PolicyFailure, ReportedPolicy, ResultType

_TOLD = 10
"""Records of no use that the log has of one host: strangers write them."""

_PKIX = (0, 1)
"""Usages that ask for a public authority, which mail servers need not have (RFC 7672 §3.1.3)."""


class NoDane(Exception):
    """DANE allows no mail to this host, for now. The text is fit for a bounce. `result`: what reports call it, None where it is no
    fault of the other side."""

    def __init__(self, text: str, result: ResultType | None = None) -> None:
        super().__init__(text)
        self.result = result

    def failure(self, host: str) -> PolicyFailure | None:
        """What reports have of it, for a host without records to name (RFC 8460)."""
        return None if self.result is None else no_dane(host, self.result)


class Settled(Struct, frozen=True):
    """The level that holds, and for those of DANE the `records` that the server is known by and the `names` that it may bear,
    first the one where the records are. `reported`: the policy that reports have, where none of its records is of use."""

    level: Level
    records: tuple[TLSA, ...] = ()
    names: tuple[str, ...] = ()
    reported: ReportedPolicy | None = None


class _Vouched(Struct, frozen=True):
    """What DNSSEC says of the answers that led to a host. `by_exchangers`: MX or SRV records did; `secure`: those answers;
    `domains`: names of the destination, with where aliases lead to."""

    by_exchangers: bool
    secure: bool
    domains: tuple[str, ...]


class Dane:
    """Of one service, `service` in the log. `source`: None where the parameters say that DNSSEC is not looked at."""

    def __init__(self, settings: SmtpSettings, source: SecureSource | None, emit: Emit, service: str) -> None:
        self._settings = settings
        self._source = source
        self._ports: Mapping[str, int] = known_ports(settings.known_tcp_ports)
        self._insecure_mx = insecure_mx_level(settings)
        self._warn: Callable[[str], None] = lambda text: emit(Note(service, text, "warning"))

    async def settle(self, level: Level, site: str, host: Host) -> Settled:
        """What `level`, DANE or DANE_ONLY, comes to for a `host` found for `site` (as written). Raises NoDane."""
        source = self._source
        if not host.port:
            self._warn(f'{site}: the "dane" security level is invalid for delivery via a unix-domain socket')
            raise NoDane("client TLS configuration problem")
        if source is None:
            return self._misfit(level, f"{site}: {level.word} configured with dnssec lookups disabled")
        if not self._settings.lmtp and self._settings.ignore_mx_lookup_error:
            return self._misfit(level, f"{site}: {level.word} configured with MX lookup errors ignored")
        try:
            return await self._settled(source, level, site, host)
        except TlsFailure as failure:
            return self._misfit(level, f"{site}: {level.word} configured, but no requisite library support: {failure}")
        except DnsFailure as failure:
            self._warn(f"DANE TLSA lookup problem: {dns_reason(failure)}")
            raise NoDane(f"TLSA lookup error for {host.name}:{host.port}", ResultType.DNSSEC_INVALID) from None

    async def _settled(self, source: SecureSource, level: Level, site: str, host: Host) -> Settled:
        """Raises NoDane, DnsFailure, TlsFailure."""
        vouched = await self._vouched(source, site, host)
        doubtful = vouched.by_exchangers and not vouched.secure
        if doubtful and (level is Level.DANE_ONLY or self._insecure_mx is Level.MAY):
            return _without(level, Level.MAY, "non DNSSEC destination", ResultType.DANE_REQUIRED)
        base, records = await self._records(source, host)
        if not records:
            return _without(level, Level.MAY, "no TLSA records found", ResultType.DANE_REQUIRED)
        from gatepost.net.dane import usable

        good = usable(records, self._settings.tls_dane_digests)
        self._tell_unusable(records, good, base, host)
        if not good:
            less = _without(level, Level.ENCRYPT, "TLSA records unusable", ResultType.TLSA_INVALID)
            return replace(less, reported=of_records(base, records, ResultType.TLSA_INVALID))
        if doubtful and self._insecure_mx is Level.ENCRYPT:
            return Settled(Level.ENCRYPT)
        names = tuple(dict.fromkeys((base, *vouched.domains)))
        return Settled(Level.HALF_DANE if doubtful else level, good, names)

    async def _vouched(self, source: SecureSource, site: str, host: Host) -> _Vouched:
        """Raises DnsFailure."""
        settings = self._settings
        domains, services = asks_dns(settings) and not settings.lmtp, () if settings.lmtp else settings.use_srv_lookup
        try:
            where = parse(site, settings.smtp_tcp_port, self._ports, exchangers=domains, services=services)
        except BadDestination:  # a host is there, so it can be none of those written here
            where = Destination(site, host.name)
        if where.service and (found := await _asked(source, f"_{where.service}._tcp.{where.host}", "SRV")):
            return _by(found, where.host, host, (record.target for record in found.values))  # type: ignore[attr-defined]
        if where.exchangers and (found := await _asked(source, where.host, "MX")):
            return _by(found, where.host, host, (record.host for record in found.values))  # type: ignore[attr-defined]
        return _Vouched(host.name.lower() != where.host.lower(), False, (where.host,))

    async def _records(self, source: SecureSource, host: Host) -> tuple[str, tuple[TLSA, ...]]:
        """The TLSA records of a host that DNSSEC vouches for, and the name that they are under: where aliases lead to, else the
        host's own (RFC 7672 §2.2.2). Raises DnsFailure."""
        if numeric_address(host.name) is not None:
            return "", ()
        addresses = await _asked(source, host.name, "AAAA" if ":" in host.address else "A")
        secure = addresses is not None and addresses.secure
        bases = [host.name]
        if addresses is not None and secure and addresses.owner.lower() != host.name.lower():
            bases.insert(0, addresses.owner)
        if not secure and not self._settings.smtp_tls_force_insecure_host_tlsa_lookup:
            return "", ()
        for base in bases:
            found = await _asked(source, f"_{host.port}._tcp.{base}", "TLSA")
            if found is not None and found.secure:
                return base, found.values  # type: ignore[return-value]
        return "", ()

    def _tell_unusable(self, records: Sequence[TLSA], good: Sequence[TLSA], base: str, host: Host) -> None:
        others = False
        for record in list(dict.fromkeys(record for record in records if record not in good))[:_TOLD]:
            if record.usage in _PKIX:
                self._warn(f"_{host.port}._tcp.{base} unsupported TLSA certificate usage: {record}")
            else:
                self._warn(f"{host.relay}: unusable TLSA RR: {record}")
                others = True
        if others and not good:
            self._warn(f"{host.relay}: all TLSA records unusable, fallback to unauthenticated TLS")

    def _misfit(self, level: Level, text: str) -> Settled:
        """DANE is asked for where parameters, or the library, stand against it."""
        self._warn(text)
        return _without(level, Level.MAY, "client TLS configuration problem")


def _without(level: Level, instead: Level, text: str, result: ResultType | None = None) -> Settled:
    """Less than DANE: `instead`, but for `dane-only` nothing, for which reports have `result`. Raises NoDane."""
    if level is Level.DANE_ONLY:
        raise NoDane(text, result)
    return Settled(instead)


def _by(found: Answer, domain: str, host: Host, hosts: Iterable[str]) -> _Vouched:
    names = {name.lower() for name in hosts}
    secure = found.secure and host.name.lower() in names
    return _Vouched(True, secure, tuple(dict.fromkeys((found.owner, domain))))


async def _asked(source: SecureSource, name: str, record: str) -> Answer | None:
    """The answer; None where there are no such records. Raises TryAgain."""
    try:
        return await source.answer(name, record)
    except NotFound:
        return None


def insecure_mx_level(settings: SmtpSettings) -> Level:
    """What DANE comes to at most where nothing vouches for the exchangers (smtp_tls_dane_insecure_mx_policy). Raises
    BadTlsPolicy."""
    level = parse_level(settings.smtp_tls_dane_insecure_mx_policy)
    if level not in (Level.MAY, Level.ENCRYPT, Level.DANE):
        raise BadTlsPolicy(f'invalid smtp_tls_dane_insecure_mx_policy: "{level.word}"')
    return level
