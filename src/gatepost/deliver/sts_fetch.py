"""Policies of MTA-STS over HTTPS (RFC 8461 §3.3): no redirects, nothing but text/plain, a certificate that the system, or
smtp_tls_CAfile and smtp_tls_CApath, vouch for.

Addresses of private networks are gone to like others: nothing is asked of a server before its certificate is that of
`mta-sts.DOMAIN`, and domains of private networks have policies, too.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from gatepost.deliver.sts import Fetch, NotFetched
from gatepost.net.https import FetchFailure, fetch, trusting
from gatepost.net.stream_client import Network
from gatepost.net.stream_port import Trouble
from gatepost.net.tls_parameters import TlsFailure, loaded
from gatepost.proto.http import Request
from gatepost.proto.mta_sts import LONGEST_POLICY
from gatepost.tlsrpt.outcome import ResultType

if TYPE_CHECKING:
    import ssl

_PATH: Final = "/.well-known/mta-sts.txt"
_TYPE: Final = "text/plain"


def over_https(network: Network, *, seconds: float, ca_file: str, ca_path: str, warn: Callable[[str], object]) -> Fetch:
    """How policies are fetched. `seconds`: for everything that belongs to one; `warn`: is told where the authorities that
    parameters name cannot be loaded, after which the system's are trusted alone."""
    context: ssl.SSLContext | None = None

    async def policy_file(domain: str) -> bytes:
        nonlocal context
        try:
            context = context or _context(ca_file, ca_path, warn)
            request = Request(f"https://mta-sts.{domain}{_PATH}")
            response = await fetch(request, network, seconds=seconds, most_octets=LONGEST_POLICY, context=context)
        except FetchFailure as failure:
            result = ResultType.STS_WEBPKI_INVALID if failure.trouble is Trouble.TLS else ResultType.STS_POLICY_FETCH_ERROR
            raise NotFetched(str(failure), result) from None
        if response.status != 200:
            raise NotFetched(f"https://mta-sts.{domain}: status {response.status}")
        if response.header("content-type").partition(";")[0].strip().lower() != _TYPE:
            raise NotFetched(f"https://mta-sts.{domain}: the policy is not {_TYPE}")
        return response.body

    return policy_file


def _context(ca_file: str, ca_path: str, warn: Callable[[str], object]) -> "ssl.SSLContext":
    context = trusting()
    for file, path in ((ca_file, ""), ("", ca_path)):
        if file or path:
            try:
                loaded(partial(context.load_verify_locations, file or None, path or None), file or path)
            except TlsFailure as failure:
                warn(f"{failure}: policies of MTA-STS are fetched without them")
    return context
