"""The function of the plugin HTTPSMismatch: links that show the address of one site and lead to another."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gatepost.filter.port import Eval, Examined, Uri

_HOST: Final = rb"://(?:[^\s/?#@]{0,255}@)?([a-z0-9.-]{1,253})"
_SHOWN: Final = re.compile(rb"\A\s*https" + _HOST, re.IGNORECASE)
_LED_TO: Final = re.compile(rb"https?" + _HOST, re.IGNORECASE)


def check_https_http_mismatch(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a link shows `https://` and a host, and leads to a host of another domain; where so many links have a text, the
    first argument to the second."""
    least, most = map(int, arguments)
    links = [uri for uri in examined.text.uris if uri.anchors]
    if not least <= len(links) <= most:
        return 0
    domains = {host: domain for uri in examined.text.uris for host, domain in uri.hosts.items()}
    return int(any(_differs(uri, domains) for uri in links))


def _differs(uri: Uri, domains: Mapping[bytes, bytes]) -> bool:
    there = _domain(_LED_TO.match(uri.raw), domains)
    if not there:
        return False
    shown = (_domain(_SHOWN.match(anchor), domains) for anchor in uri.anchors)
    return any(domain and domain != there for domain in shown)


def _domain(found: re.Match[bytes] | None, domains: Mapping[bytes, bytes]) -> bytes:
    """The registered domain of a host, empty for an address."""
    host = found.group(1).lower().rstrip(b".") if found else b""
    return domains.get(host, host) if b"." in host and not host.rpartition(b".")[2].isdigit() else b""


EVALS: dict[str, Eval] = {"check_https_http_mismatch": check_https_http_mismatch}
