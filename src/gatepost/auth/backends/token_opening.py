"""The file of `oauth:PATH`: lines `name = value`, as in ldap_table(5). Names are Dovecot's and RFC 8414's where these have them."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.auth.backends.introspection import LARGEST as LARGEST_ANSWER
from gatepost.auth.backends.introspection import Introspected, Introspection
from gatepost.auth.backends.signed_token import ALGORITHMS, Signature
from gatepost.auth.backends.token_claims import CannotSay, Demands
from gatepost.auth.backends.token_keys import LARGEST as LARGEST_SET
from gatepost.auth.backends.token_keys import Keys, KeysOfFile, KeysOfUrl
from gatepost.auth.backends.tokens import ByIssuer, BySignature, Proof, TokenUsers
from gatepost.config.syntax import parse_main
from gatepost.lookup.port import Unavailable
from gatepost.lookup.server_parameters import TableParameters
from gatepost.lookup.table_text import read_file
from gatepost.net import url as urls
from gatepost.net.https import FetchFailure, fetch, trusting
from gatepost.net.stream_client import Network
from gatepost.proto.http import Request, Response
from gatepost.proto.sasl.port import Secret

NAMES: Final = frozenset((
    "issuer", "audience", "scope", "username_claim", "token_type", "algorithms", "leeway", "openid_configuration",
    "jwks_uri", "jwks_file", "jwks_lifetime", "jwks_stale_time",
    "introspection_url", "client_id", "client_secret", "introspection_cache_time",
    "tls_ca_cert_file", "timeout",
))  # fmt: skip
_PROOFS: Final = ("jwks_uri", "jwks_file", "introspection_url")
_DAY: Final = 86400


def open_tokens(path: str, network: Callable[[], Network], warn: Callable[[str], None]) -> TokenUsers:
    """`network`: what servers are reached by, asked for when the first is; `warn`: tells what clients can make it say over and
    over. Raises Unavailable for a mistake in the file."""
    parameters = _parameters(path, warn)
    chosen = [name for name in _PROOFS if parameters.text(name)]
    if len(chosen) != 1:
        raise _missing(parameters, f"one of {', '.join(_PROOFS)} is needed")
    if not parameters.text("username_claim"):
        raise _missing(parameters, "username_claim is needed: the claim that holds the login name (email, preferred_username, sub)")
    by_issuer = chosen[0] == "introspection_url"
    proof = _by_issuer(parameters, network) if by_issuer else _by_signature(parameters, network, warn)
    configuration = _url(parameters, "openid_configuration")
    return TokenUsers(proof, _demands(parameters, lasting=by_issuer), configuration, time.time)


def _parameters(path: str, warn: Callable[[str], None]) -> TableParameters:
    spec = f"oauth:{path}"
    file = parse_main(read_file(path, spec), path)
    for fault in file.faults:
        raise Unavailable(spec, f"{fault.file}, line {fault.line}: {fault.text}: {fault.remedy}")
    for setting in file.settings.values():
        if setting.name not in NAMES:
            warn(f"{setting.file}, line {setting.line}: unused parameter: {setting.name}")
    return TableParameters(spec, file.settings.get)


def _missing(parameters: TableParameters, why: str) -> Unavailable:
    return Unavailable(parameters.spec, f"{parameters.spec}: {why}")


_WHY: Final = "an issuer makes tokens for many services"


def _demands(parameters: TableParameters, *, lasting: bool) -> Demands:
    """What a token was not made for, it does not do: an issuer makes tokens for many services (RFC 8725 §3.8, §3.9)."""
    if not lasting and not (parameters.text("issuer") and parameters.text("audience")):
        raise _missing(parameters, f"issuer and audience are needed: {_WHY}")
    if not parameters.text("audience") and not parameters.text("scope"):
        raise _missing(parameters, f"audience or scope is needed: {_WHY}")
    return Demands(
        username_claim=parameters.text("username_claim"),
        issuer=parameters.text("issuer"),
        audiences=frozenset(parameters.words("audience")),
        scopes=frozenset(parameters.words("scope")),
        leeway=parameters.number("leeway", 60, maximum=600),
        lasting=lasting,
    )


def _by_signature(parameters: TableParameters, network: Callable[[], Network], warn: Callable[[str], None]) -> Proof:
    algorithms = frozenset(parameters.words("algorithms", " ".join(ALGORITHMS)))
    if not algorithms or not algorithms <= {*ALGORITHMS}:
        raise parameters.wrong("algorithms", f"not some of {' '.join(ALGORITHMS)}")
    return BySignature(Signature(algorithms, parameters.text("token_type")), _keys(parameters, network, warn))


def _keys(parameters: TableParameters, network: Callable[[], Network], warn: Callable[[str], None]) -> Keys:
    if path := parameters.text("jwks_file"):
        if not path.startswith("/"):
            raise parameters.wrong("jwks_file", "a full pathname is needed")
        return KeysOfFile(path, warn)
    url, ask = _url(parameters, "jwks_uri"), _asking(parameters, network, LARGEST_SET)

    async def keys() -> bytes:
        response = await ask(Request(url, headers=(("Accept", "application/jwk-set+json, application/json"),)))
        if response.status != 200:
            raise CannotSay(f"jwks_uri answers {response.status}")
        return response.body

    lifetime = parameters.number("jwks_lifetime", 3600, minimum=60)
    stale = parameters.number("jwks_stale_time", _DAY, minimum=lifetime)
    return KeysOfUrl(keys, lifetime=lifetime, stale=stale, clock=time.monotonic, warn=warn)


def _by_issuer(parameters: TableParameters, network: Callable[[], Network]) -> Proof:
    url = _url(parameters, "introspection_url")
    secret = Secret(parameters.text("client_secret").encode("utf-8", "surrogateescape"))
    if secret.octets and not parameters.text("client_id"):
        raise _missing(parameters, "client_secret is set, and client_id is not")
    server = Introspection(url, parameters.text("client_id"), secret)
    return ByIssuer(
        Introspected(
            server,
            _asking(parameters, network, LARGEST_ANSWER),
            keep=parameters.number("introspection_cache_time", 60, maximum=3600),
            turn=_timeout(parameters),
            clock=time.time,
        )
    )


def _asking(
    parameters: TableParameters, network: Callable[[], Network], most_octets: int
) -> Callable[[Request], Awaitable[Response]]:
    """What asks the issuer's server."""
    seconds = _timeout(parameters)
    try:
        context = trusting(parameters.text("tls_ca_cert_file"))
    except OSError as error:
        raise parameters.wrong("tls_ca_cert_file", error.strerror or str(error)) from None

    async def ask(request: Request) -> Response:
        try:
            return await fetch(request, network(), seconds=seconds, most_octets=most_octets, context=context)
        except FetchFailure as failure:
            raise CannotSay(str(failure)) from None

    return ask


def _timeout(parameters: TableParameters) -> int:
    return parameters.number("timeout", 10, minimum=1, maximum=300)


def _url(parameters: TableParameters, name: str) -> str:
    """A URL of https; empty where there is none."""
    text = parameters.text(name)
    if not text:
        return ""
    try:
        url = urls.parse(text)
    except ValueError as wrong:
        raise parameters.wrong(name, str(wrong)) from None
    if url.scheme != "https":
        raise parameters.wrong(name, "https is needed")
    return text
