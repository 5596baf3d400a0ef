"""Which TLS security a next hop gets (TLS_README, smtp_tls_policy_maps): values, and how they are found."""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.ports import known_ports
from gatepost.deliver.dane import Dane, Settled
from gatepost.deliver.next_hop import BadDestination, parse
from gatepost.deliver.plan import Host
from gatepost.deliver.reported_policy import of_attributes, of_records, of_sts
from gatepost.deliver.smtp_options import asks_dns
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts import MtaSts, StsFound
from gatepost.deliver.sts_patterns import ATTRIBUTES, REPEATED, patterns
from gatepost.deliver.tls_level import BY_TLSA, UNANSWERED, WORDS, BadTlsPolicy, Level, parse_level
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.ascii_text import SPACE, upper
from gatepost.mail.domain import to_ascii
from gatepost.net.host_names import valid_hostname
from gatepost.net.port import TLSA
from gatepost.proto.mta_sts import StsPolicy, allows
from gatepost.tlsrpt.outcome import NO_POLICY, PolicyFailure, ReportedPolicy, ResultType


class TlsPolicy(Struct, frozen=True):
    """How one host is talked to.

    - `ciphers`: a grade.
    - `match`: names or fingerprints that the server's certificate must have.
    - `servername`: SNI.
    - `anchors`: a file of trust anchors.
    - `loglevel`: smtp_tls_loglevel.
    - `records`: what the server is known by under DANE.
    - `reported`: what reports call the policy (RFC 8460), None where nobody is to hear of the session.
    - `sts`: the domain's policy, where it counts (smtp_tls_mta_sts).
    """

    level: Level = Level.NONE
    protocols: str = ""
    ciphers: str = ""
    exclude: str = ""
    match: tuple[str, ...] = ()
    servername: str = ""
    anchors: str = ""
    loglevel: int = 0
    records: tuple[TLSA, ...] = ()
    reported: ReportedPolicy | None = NO_POLICY
    sts: StsFound | None = None

    @property
    def by_sts(self) -> bool:
        """Whether a policy of MTA-STS is obeyed, not only tested."""
        return self.sts is not None and self.sts.enforced


NO_TLS = TlsPolicy()


class TlsPolicies:
    """The policies of one service. `maps`: smtp_tls_policy_maps; `per_site`: smtp_tls_per_site, which counts where there are none
    of those; `loglevels`: smtp_tls_loglevel_maps; `sts`: None where domains are not asked (smtp_tls_mta_sts = no). Raises
    BadTlsPolicy where the parameters are bad."""

    def __init__(
        self,
        settings: SmtpSettings,
        dane: Dane,
        maps: Maps | None = None,
        per_site: Maps | None = None,
        loglevels: Maps | None = None,
        sts: MtaSts | None = None,
    ) -> None:
        self._settings = settings
        self._dane = dane
        self._sts = sts
        self._ports = known_ports(settings.known_tcp_ports)
        self._maps = None if maps is None or maps.empty else maps
        self._per_site = None if per_site is None or per_site.empty or self._maps else per_site
        self._loglevels = None if loglevels is None or loglevels.empty else loglevels
        self._default = default_level(settings)

    @property
    def idle(self) -> bool:
        """Whether no next hop gets TLS."""
        return self._maps is None and self._per_site is None and self._sts is None and self._default is Level.NONE

    async def find(self, nexthop: str, host: Host, *, least: Level = Level.NONE, most: Level = Level.SECURE) -> TlsPolicy:
        """The policy for `nexthop` (as written) over the exchanger `host`. Raises BadTlsPolicy and NoDane.

        - `least`: the level where no table says another, at least.
        - `most`: the level that counts at most; up to ENCRYPT, nothing of the other side's is asked for.
        """
        listed: tuple[Level, dict[str, str]] | None = None
        if self._maps is not None:
            listed = await self._listed(self._maps, nexthop)
        elif self._per_site is not None:
            listed = await self._of_site(self._per_site, nexthop, host.name)
        level, attributes = listed or (max(self._default, least), dict[str, str]())
        if most <= Level.ENCRYPT:
            settled = Settled(min(level, most))
            return self._policy(settled, attributes, nexthop, host.name, await self._loglevel(nexthop, host.name))
        if level is Level.SECURE and (named := patterns(attributes)) and self._settings.smtp_tls_enforce_sts_mx_patterns:
            attributes = _of_host(attributes, named, host.name)
        settled = await self._dane.settle(level, nexthop, host) if level in BY_TLSA else Settled(level)
        found = None
        if listed is None and self._sts is not None and settled.level in _BELOW_STS and (domain := self._mail_domain(nexthop)):
            found = await self._sts.find(domain)
        if found is not None and found.policy is not None:
            settled, attributes = _under(found.policy, found, settled, host.name)
        policy = self._policy(settled, attributes, nexthop, host.name, await self._loglevel(nexthop, host.name))
        return policy if found is None else _with(policy, found)

    def _mail_domain(self, nexthop: str) -> str:
        """The domain whose policy counts for a next hop (RFC 8461 §3.4), in A-labels; empty where that is no mail domain."""
        settings = self._settings
        domains = asks_dns(settings) and not settings.lmtp
        try:
            where = parse(nexthop, settings.smtp_tcp_port, self._ports, exchangers=domains)
            name = to_ascii(where.host.lower().rstrip(".")) if where.exchangers else ""
        except (BadDestination, UnicodeError):
            return ""
        return name if "." in name and valid_hostname(name) else ""

    async def _loglevel(self, nexthop: str, host: str) -> int:
        """smtp_tls_loglevel, or what a table says for the host or the next hop. Anything but a number, and a table that cannot
        answer, which the log has, count for nothing: mail does not depend on it."""
        maps = self._loglevels
        for key in (host, domain_of(nexthop)):
            try:
                found = await maps.find(key) if maps is not None else None
            except LookupFailure:
                break
            if found is not None and found.isascii() and found.isdigit():
                return int(found)
        return self._settings.smtp_tls_loglevel

    async def _listed(self, maps: Maps, nexthop: str) -> tuple[Level, dict[str, str]] | None:
        """What smtp_tls_policy_maps has. Raises BadTlsPolicy."""
        for key in keys(nexthop):
            where = f'{maps.title}, {_NEXT_HOP} "{key}"'
            try:
                value = await maps.find(key)
            except LookupFailure as failure:
                raise BadTlsPolicy(f"{where}: policy table lookup error", failure=failure) from None
            if value is not None:
                try:
                    return parse_policy(value)
                except BadTlsPolicy as bad:
                    raise BadTlsPolicy(f"{where}: {bad}") from None
        return None

    async def _of_site(self, maps: Maps, nexthop: str, host: str) -> tuple[Level, dict[str, str]] | None:
        """What smtp_tls_per_site has by next hop and by host; it counts before the default, but for MAY, which only allows TLS.
        Raises BadTlsPolicy."""
        said: list[Level] = []
        for key, what in ({nexthop: "", host: "server hostname"} | {nexthop: _NEXT_HOP}).items():
            try:
                value = await maps.find(key)
            except LookupFailure as failure:
                raise BadTlsPolicy(f'{maps.title}: {what} "{key}": per-site table lookup error', UNANSWERED, failure) from None
            if value is not None:
                if upper(value) not in _OF_SITE:
                    raise BadTlsPolicy(f"{maps.title}: unknown TLS policy '{value}' for {what} {key}")
                said.append(_OF_SITE[upper(value)])
        if not said:
            return None
        level = max(said, key=_BY_WEIGHT.index)
        return max(level, self._default) if level is Level.MAY else level, {}

    def _policy(self, settled: Settled, attributes: dict[str, str], nexthop: str, host: str, loglevel: int) -> TlsPolicy:
        settings, level = self._settings, settled.level
        mandatory = level >= Level.ENCRYPT
        exclude = f"{settings.smtp_tls_exclude_ciphers} {settings.smtp_tls_mandatory_exclude_ciphers if mandatory else ''}"
        match = {
            Level.VERIFY: settings.smtp_tls_verify_cert_match,
            Level.SECURE: settings.smtp_tls_secure_cert_match,
            Level.FINGERPRINT: settings.smtp_tls_fingerprint_cert_match,
        }.get(level, "")
        separators = r"(?a)[\s,|]+" if level is Level.FINGERPRINT else r"(?a)[\s,:|]+"
        wanted = [word for word in re.split(separators, attributes.get("match", match)) if word]
        domain = domain_of(nexthop)
        names = {"hostname": host, "nexthop": domain, "dot-nexthop": f".{domain}"}
        matched = settled.names or tuple(names.get(word, word) for word in wanted)
        servername = settled.names[0] if settled.names else attributes.get("servername", settings.smtp_tls_servername)
        protocols = settings.smtp_tls_mandatory_protocols if mandatory else settings.smtp_tls_protocols
        ciphers = settings.smtp_tls_mandatory_ciphers if mandatory else settings.smtp_tls_ciphers
        return TlsPolicy(
            level,
            attributes.get("protocols", protocols),
            attributes.get("ciphers", ciphers).lower(),
            attributes.get("exclude", exclude),
            matched,
            names.get(servername, servername),
            attributes.get("tafile", settings.smtp_tls_trust_anchor_file),
            loglevel,
            settled.records,
            settled.reported or (of_records(matched[0], settled.records) if settled.records else of_attributes(attributes)),
        )


def _of_host(attributes: dict[str, str], found: Sequence[str], host: str) -> dict[str, str]:
    """The attributes that an MTA-STS policy comes to for one host: its certificate bears its own name. Raises BadTlsPolicy where
    no pattern allows the host."""
    if not any(allows(pattern, host) for pattern in found):
        reported = PolicyFailure(of_attributes(attributes), ResultType.VALIDATION_FAILURE)
        raise _not_allowed(host, attributes.get("policy_domain", "the domain"), "smtp_tls_policy_maps", reported)
    return {**attributes, **_BY_OWN_NAME}


def _under(sts: StsPolicy, found: StsFound, settled: Settled, host: str) -> tuple[Settled, dict[str, str]]:
    """What a level, and its attributes, come to for one host under a policy of MTA-STS. Raises BadTlsPolicy where it forbids the
    host."""
    if not found.enforced:
        return Settled(Level.MAY) if settled.level is Level.NONE else settled, {"servername": "hostname"}
    if not sts.allows(host):
        raise _not_allowed(host, found.domain, "smtp_tls_mta_sts", PolicyFailure(of_sts(found), ResultType.VALIDATION_FAILURE))
    # TLSA records of a host that DNSSEC does not vouch for: the host is vouched for now, its records are what it is known by.
    return (settled, {}) if settled.level is Level.HALF_DANE else (Settled(Level.SECURE), dict(_BY_OWN_NAME))


def _with(policy: TlsPolicy, found: StsFound) -> TlsPolicy:
    """How a host is talked to, with what is found of MTA-STS. Reports count the session for TLSA records where there are any."""
    reported = of_sts(found) if policy.reported is NO_POLICY else policy.reported
    protocols = f"{policy.protocols} {_OF_STS}" if found.enforced else policy.protocols
    return replace(policy, sts=found if found.policy else None, protocols=protocols, reported=reported)


def _not_allowed(host: str, domain: str, rule: str, reported: PolicyFailure) -> BadTlsPolicy:
    text = f"host {host} is not one of the MTA-STS policy of {domain}"
    return BadTlsPolicy(text, ("4.7.5", text), reported=reported, rule=rule)


def default_level(settings: SmtpSettings) -> Level:
    """The level where no policy says another; the obsolete smtp_use_tls and smtp_enforce_tls count where there is none."""
    if settings.smtp_tls_security_level:
        return parse_level(settings.smtp_tls_security_level)
    if settings.smtp_enforce_tls:
        return Level.VERIFY if settings.smtp_tls_enforce_peername else Level.ENCRYPT
    return Level.MAY if settings.smtp_use_tls else Level.NONE


_BELOW_STS = frozenset((Level.NONE, Level.MAY, Level.ENCRYPT, Level.HALF_DANE, Level.VERIFY))
"""Levels that MTA-STS adds to: neither what is asked of all servers, nor TLSA records that can be used (RFC 8461 §2)."""
_BY_OWN_NAME = {"match": "hostname", "servername": "hostname"}
_OF_STS = ">=TLSv1.2"
"""Protocols, beside those of the parameters."""
_NEXT_HOP = "next-hop destination"
_OF_SITE = {"NONE": Level.NONE, "MAY": Level.MAY, "MUST_NOPEERMATCH": Level.ENCRYPT, "MUST": Level.VERIFY}
_BY_WEIGHT = (Level.MAY, Level.NONE, Level.ENCRYPT, Level.VERIFY)
"""Which counts of two levels in smtp_tls_per_site: the one that comes later here."""


_ATTRIBUTES = frozenset(("protocols", "ciphers", "exclude", "match", "servername", "connection_reuse", "tafile")) | ATTRIBUTES
_WORD = re.compile(r"(?a)\{[^{}]*\}|[^\s,]+")
"""One of a policy; braces hold blanks together."""


def parse_policy(value: str) -> tuple[Level, dict[str, str]]:
    """A right-hand side of smtp_tls_policy_maps: a level, and attributes `name=value` or `{ name = value }`. Raises
    BadTlsPolicy."""
    words = _WORD.findall(value)
    if not words:
        raise BadTlsPolicy("invalid empty policy")
    if upper(words[0]) not in WORDS:
        raise BadTlsPolicy(f'invalid security level "{words[0]}"')
    attributes: dict[str, str] = {}
    for word in words[1:]:
        name, equals, argument = word.partition("=")
        if word.startswith("{"):
            name, argument = name[1:].strip(SPACE), argument[:-1].strip(SPACE)
        if not equals or name not in _ATTRIBUTES:
            raise BadTlsPolicy(f'invalid attribute name: "{name}"' if equals else f'malformed attribute/value pair "{word}"')
        before = attributes.get(name)
        attributes[name] = argument if before is None or name not in REPEATED else f"{before}\n{argument}"
    return parse_level(words[0]), attributes


def domain_of(nexthop: str) -> str:
    """The host or domain that a next hop names, without brackets and port."""
    text = nexthop.removeprefix("inet:")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def keys(nexthop: str) -> list[str]:
    """Keys under which a policy is looked up: the next hop as written, and, where that is a domain, its parents with a dot."""
    if nexthop.startswith(("[", "unix:", "inet:")):
        return [nexthop]
    domain, found = domain_of(nexthop), [nexthop]
    while "." in domain:
        domain = domain.partition(".")[2]
        found.append(f".{domain}")
    return found
