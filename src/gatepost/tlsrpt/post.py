"""Hands a report to a web server (RFC 8460 §5.4)."""

import functools
from typing import TYPE_CHECKING, Final

from gatepost.net.https import FetchFailure, fetch, trusting
from gatepost.net.stream_client import Network
from gatepost.proto.http import Request
from gatepost.tlsrpt.counts import DAY
from gatepost.tlsrpt.report import Report
from gatepost.tlsrpt.report_mail import MEDIA_TYPE
from gatepost.tlsrpt.reporter import NotSent

if TYPE_CHECKING:
    import ssl

_SECONDS: Final = 60.0
_MOST: Final = 4096  # octets of an answer, of which only the status counts


async def post(
    report: Report, url: str, *, network: Network, public_only: bool = True, context: "ssl.SSLContext | None" = None
) -> None:
    """Raises NotSent. `public_only`: a server of this machine or a private network gets none, whoever wrote its URL; `context`: of
    TLS, None: it believes the system's authorities."""
    context = context or _authorities(report.begin // DAY)
    request = Request(url, "POST", (("Content-Type", MEDIA_TYPE),), report.compressed)
    try:
        response = await fetch(request, network, seconds=_SECONDS, most_octets=_MOST, context=context, public_only=public_only)
    except FetchFailure as failure:
        raise NotSent(str(failure)) from None
    if not 200 <= response.status < 300:
        raise NotSent(f"the server answered {response.status}")


@functools.lru_cache(maxsize=1)
def _authorities(day: int) -> "ssl.SSLContext":
    """A context that believes the system's authorities, one for all reports of a day: to read them takes tens of milliseconds, in
    which no mail goes on."""
    return trusting()
