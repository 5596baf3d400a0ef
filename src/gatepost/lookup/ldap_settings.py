"""The parameters of an LDAP table (ldap_table(5)), read once and checked."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gatepost.lookup.key_format import KeyFormat
from gatepost.lookup.ldap_text import SCOPES, is_url
from gatepost.lookup.opening import Warn
from gatepost.lookup.port import Unavailable
from gatepost.lookup.server_parameters import TableParameters, format_of

_BIND: Mapping[str, str] = {"yes": "simple", "simple": "simple", "no": "none", "none": "none", "sasl": "sasl"}
_IGNORED = ("cache", "cache_expiry", "cache_size")


class Tls(Struct, frozen=True):
    """start_tls and tls_*; empty where the library's own default is meant."""

    start: bool
    ca_file: str
    ca_directory: str
    certificate: str
    key: str
    verify: bool
    random_file: str
    ciphers: str


class Sasl(Struct, frozen=True):
    """sasl_*; `mechanisms`: empty for whatever the server offers."""

    mechanisms: str
    realm: str
    authorization: str
    strength: int


class Access(Struct, frozen=True):
    """How one server is reached and logged in to.

    `bind`: simple, none or sasl;
    `timeout`: seconds of each step;
    `debug_level`: of the library, 0 for silence.
    """

    bind: str
    dn: str
    password: str
    sasl: Sasl
    tls: Tls
    timeout: int
    version: int
    dereference: int
    referrals: bool
    debug_level: int


class Attributes(Struct, frozen=True):
    """The names of the result attributes by what they are for, in lower case (ldap_table(5), result_attribute and on)."""

    result: frozenset[str]
    special: frozenset[str]
    terminal: frozenset[str]
    leaf: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        return self.result | self.special | self.terminal | self.leaf


class Query(Struct, frozen=True):
    """What is asked for a key, and what is made of the answer. A limit of 0 is none."""

    base: KeyFormat
    scope: int
    filter: KeyFormat
    result: KeyFormat
    attributes: Attributes
    asked: tuple[str, ...]
    recursion_limit: int
    expansion_limit: int
    size_limit: int


def servers(parameters: TableParameters) -> list[str]:
    """server_host as URLs. Raises Unavailable."""
    port = parameters.number("server_port", 389, 1, 65535)
    return [_url(parameters, host, port) for host in parameters.words("server_host", "localhost")]


def _url(parameters: TableParameters, host: str, port: int) -> str:
    if is_url(host):
        if host.rstrip("/").count("/") > 2:
            raise parameters.wrong("server_host", f"components after host and port in {host}")
        return host
    if "://" in host:
        raise parameters.wrong("server_host", f"no LDAP URL: {host}: write ldap://, ldaps:// or ldapi://")
    bare = (host.startswith("[") and host.endswith("]")) or ":" not in host
    return f"ldap://{host}:{port}" if bare else f"ldap://{host}"


def access(parameters: TableParameters, warn: Warn) -> Access:
    """Raises Unavailable."""
    bind = parameters.text("bind", "yes").lower()
    if bind not in _BIND:
        raise parameters.wrong("bind", f"not one of {', '.join(_BIND)}")
    for name in _IGNORED:
        if parameters.is_set(name):
            warn(f"{parameters.spec}: ignoring {name}")
    return Access(
        bind=_BIND[bind],
        dn=parameters.text("bind_dn"),
        password=parameters.text("bind_pw"),
        sasl=Sasl(
            parameters.text("sasl_mechs"),
            parameters.text("sasl_realm"),
            parameters.text("sasl_authz_id"),
            parameters.number("sasl_minssf", 0, 0, 4096),
        ),
        tls=_tls(parameters),
        timeout=parameters.number("timeout", 10, 1),
        version=_one_of(parameters, warn, "version", (2, 3), 3),
        dereference=_one_of(parameters, warn, "dereference", range(4), 0),
        referrals=parameters.boolean("chase_referrals", False),
        debug_level=parameters.number("debuglevel", 0),
    )


def _tls(parameters: TableParameters) -> Tls:
    text = parameters.text
    return Tls(
        start=parameters.boolean("start_tls", False),
        ca_file=text("tls_ca_cert_file"),
        ca_directory=text("tls_ca_cert_dir"),
        certificate=text("tls_cert"),
        key=text("tls_key"),
        verify=parameters.boolean("tls_require_cert", False),
        random_file=text("tls_random_file"),
        ciphers=text("tls_cipher_suite"),
    )


def query(parameters: TableParameters, warn: Warn) -> Query:
    """Raises Unavailable."""
    if not parameters.text("search_base") and not parameters.is_set("search_base"):
        raise Unavailable(parameters.spec, f"{parameters.spec}: search_base is not set")
    filter = format_of(parameters, "query_filter", "(mailacceptinggeneralid=%s)")
    if not filter.letters:
        warn(f"{parameters.spec}: Fixed query_filter {parameters.text('query_filter')} is probably useless")
    attributes = {
        what: parameters.words(f"{what}_attribute", "maildrop" if what == "result" else "")
        for what in ("result", "special_result", "terminal_result", "leaf_result")
    }
    scope = parameters.text("scope", "sub").lower()
    if scope not in SCOPES:
        warn(f"{parameters.spec}: Unrecognized value {scope} specified for scope; using sub")
    expansion_limit = parameters.number("expansion_limit", 0)
    return Query(
        base=format_of(parameters, "search_base", ""),
        scope=SCOPES.get(scope, SCOPES["sub"]),
        filter=filter,
        result=format_of(parameters, "result_format" if parameters.is_set("result_format") else "result_filter", "%s"),
        attributes=Attributes(*(frozenset(name.lower() for name in names) for names in attributes.values())),
        asked=tuple(dict.fromkeys(name for names in attributes.values() for name in names)),
        recursion_limit=parameters.number("recursion_limit", 1000, 1),
        expansion_limit=expansion_limit,
        size_limit=parameters.number("size_limit", expansion_limit),
    )


def _one_of(parameters: TableParameters, warn: Warn, name: str, values: Sequence[int], default: int) -> int:
    """A number; one that there is not is warned of and is the default, as in Postfix."""
    number = parameters.number(name, default, -(2**31))
    if number in values:
        return number
    warn(f"{parameters.spec}: Unrecognized value {number} specified for {name}; using {default}")
    return default
