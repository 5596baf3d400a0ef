"""Functions of the plugin URIEval: links that show another address than they have."""

import re
from collections.abc import Sequence
from typing import Final

from gatepost.filter.port import Eval, Examined

_TO_ADDRESS: Final = re.compile(rb"https?://\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.-])", re.IGNORECASE)
_SHOWS_NAME: Final = re.compile(rb"\A\s*https://[^\s/?#]{0,255}[a-z]", re.IGNORECASE)
_SHOWS_ADDRESS: Final = re.compile(rb"\A\s*https://\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.-])", re.IGNORECASE)
_REDIRECTED: Final = re.compile(rb"\Ahttps?://[^/]{1,255}/[^?#]{0,2048}[?=]?https?(?::|%3a)(?:/|%2f){2}", re.IGNORECASE)


def check_https_ip_mismatch(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a link that shows `https://NAME` leads to the bare IP address of a host."""
    for uri in examined.text.uris:
        if uri.anchors and any(_TO_ADDRESS.match(form) for form in uri.cleaned):
            for anchor in uri.anchors:
                if _SHOWS_NAME.match(anchor) and not _SHOWS_ADDRESS.match(anchor):
                    return 1
    return 0


def check_uri_truncated(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a URI is so long that it was cut."""
    return int(bool(examined.text.html.get("uri_truncated")))


def check_for_http_redirector(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a URI names another one to be led on to."""
    return int(any(_REDIRECTED.match(uri.raw) for uri in examined.text.uris))


EVALS: dict[str, Eval] = {
    function.__name__: function for function in (check_for_http_redirector, check_https_ip_mismatch, check_uri_truncated)
}
