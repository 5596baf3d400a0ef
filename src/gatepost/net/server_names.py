"""tls_server_sni_maps: another certificate where a client asks for another name (Server Name Indication, RFC 6066 §3).

A table's value is what `postmap -F` has made of it, the key and certificate files in base64, or their names.
Failure: the client gets an alert, and the log says why; a name that no table has is served with the usual certificate.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from gatepost.net.tls_parameters import TlsFailure, identify, identify_by

if TYPE_CHECKING:
    import ssl

Find = Callable[[str], str | None]
"""A table's value for a key, None where there is none. Raises TlsFailure where it cannot answer."""

_MOST: Final = 1000  # contexts that are kept
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")


class ServerNames:
    """The certificates of one service by name. `warn`: for the log."""

    def __init__(self, find: Find, warn: Callable[[str], None]) -> None:
        self._find = find
        self._warn = warn
        self._complete: Callable[[ssl.SSLContext], None] = lambda context: None
        self._contexts: dict[str, ssl.SSLContext] = {}

    def chooser(self, complete: "Callable[[ssl.SSLContext], None]") -> Callable[..., int | None]:
        """The ssl module's sni_callback. `complete`: gives a context what a connection takes from it besides the certificate, which
        is whom it believes; raises TlsFailure."""
        self._complete = complete
        return self.choose

    def choose(self, connection: "ssl.SSLObject", name: str | None, _: "ssl.SSLContext") -> int | None:
        """The ssl module's sni_callback: give the connection the certificate for the name, or answer with an alert."""
        import ssl

        if not name:
            return None
        if not _NAME.fullmatch(name) or len(name) > 255:
            self._warn(f"TLS SNI {name!a} from a client is invalid")
            return None
        try:
            context = self.context(name)
        except TlsFailure as failure:
            self._warn(f"tls_server_sni_maps: {name}: {failure}")
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        if context is not None:
            connection.context = context
        return None

    def context(self, name: str) -> "ssl.SSLContext | None":
        """What stands for a name; None where nothing does. Raises TlsFailure."""
        value = next((value for key in keys(name) if (value := self._find(key)) is not None), None)
        if value is None:
            return None
        context = self._contexts.get(value)
        if context is None:
            if len(self._contexts) >= _MOST:
                self._contexts.clear()
            context = _made(value)
            self._complete(context)
            self._contexts[value] = context
        return context


def keys(name: str) -> Iterator[str]:
    """What a name is looked up by: itself, then each domain above it after a dot."""
    below = name.lower()
    yield below
    while "." in below:
        below = below.partition(".")[2]
        yield f".{below}"


def _made(value: str) -> "ssl.SSLContext":
    """A context with the certificates that a table's value is or names; the rest of TLS is settled by the first context."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        pem = base64.b64decode(value, validate=True).decode("ascii", "replace")
    except (binascii.Error, ValueError):
        identify(context, value, ())
    else:
        identify_by(context, pem, "of this name")
    return context
