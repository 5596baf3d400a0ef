"""URLs of servers that are asked over HTTP (RFC 3986, RFC 9110 §4.2), and no others: what is odd in one is refused, since others
may read it in another way."""

import re
from typing import Final

from msgspec import Struct

from gatepost.net.host_names import is_written_address, numeric_address, valid_hostname

_LONGEST: Final = 4096
_FORM: Final = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!$-;=@-\[\]-_a-~]*)?(?P<query>\?[!$-;=?-\[\]-_a-~]*)?",
    re.ASCII | re.IGNORECASE,
)
"""Visible ASCII without quotes, angle brackets, backslash and `#`: nobody sends a fragment. No user name either."""

_PORTS: Final = {"https": 443, "http": 80}


class Url(Struct, frozen=True):
    """`scheme`: https or http; `host`: a name in lower case, or an address; `port`; `target`: path and query. No text that is made
    of one shows the query."""

    scheme: str
    host: str
    port: int
    target: str

    def __repr__(self) -> str:
        return f"Url({self.origin}{self.target.partition('?')[0]})"

    @property
    def authority(self) -> str:
        """Host and port as the Host field has them: the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`, for texts."""
        return f"{self.scheme}://{self.authority}"


def parse(text: str) -> Url:
    """Raises ValueError, whose text says what is wrong and shows nothing of a URL's query or user."""
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError("not a URL of the form https://host/path (without user name, fragment, blanks or letters beyond ASCII)")
    scheme, host = found["scheme"].lower(), (found["v6"] or found["host"]).lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    address = numeric_address(host)
    named = valid_hostname(host) and not host.endswith(".")
    if (address is None and not named) or (found["v6"] and ":" not in host):
        raise ValueError(f"{host} is neither a host name nor an address")
    if address is not None and not is_written_address(host):
        raise ValueError(f"{host} is an address in an odd form: write {address}")
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    return Url(scheme, address or host, port, (found["path"] or "/") + (found["query"] or ""))
