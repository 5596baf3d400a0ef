"""One HTTP/1.1 request and its response (RFC 9112), sans-IO, over h11. net/https.py sends it.

A response says where it ends, by Content-Length or in chunks: one that ends with its connection could be cut short by anybody in
between (RFC 9112 §9.8), and is refused.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError

if TYPE_CHECKING:
    import h11

METHODS: Final = frozenset(("GET", "HEAD", "POST"))

HEAD_OCTETS: Final = 16384
"""The most of a status line with its header fields, and of the line before a chunk."""

_EVENTS: Final = 2000
"""The most pieces of a response: a chunk of one octet costs as much to read as one of thousands."""


class Request(Struct, frozen=True):
    """What to ask for. No text that is made of one shows its header fields, its body or the query of its URL: secrets may stand
    there.

    - `url`: `https://HOST[:PORT]/PATH` (net/url.py says what else);
    - `method`: one of METHODS;
    - `headers`: names and values; Host, User-Agent, Accept-Encoding, Connection and Content-Length are set for it;
    - `body`: octets, empty for none.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]!r})"


class Response(Struct, frozen=True):
    """What came. `headers`: names in lower case, in their order; `body`: as it was before it was cut into chunks."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} octets)"

    def header(self, name: str) -> str:
        """The first value of a header field, by its name in lower case. Empty where there is none."""
        return next((value for one, value in self.headers if one == name), "")


class HttpExchange(Exchange[Response]):
    """`host`: for the Host field; `target`: path and query; `most_octets`: of the body. Raises ValueError for a request that
    cannot be written."""

    idempotent = False

    def __init__(self, request: Request, host: str, target: str, most_octets: int) -> None:
        import h11

        if request.method not in METHODS:
            raise ValueError(f"unknown method {request.method!r}")
        self._h11 = h11
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_OCTETS)
        self._method = request.method
        self._most_octets = most_octets
        self._head = Response(0)
        self._body = bytearray()
        self._events = 0
        self._question = self._written(request, host, target)

    def question(self) -> Iterable[bytes]:
        yield self._question

    def feed(self, octets: bytes) -> bytes:
        try:
            self._connection.receive_data(octets)
            while not self.done:
                event = self._connection.next_event()
                if event is self._h11.NEED_DATA or event is self._h11.PAUSED:
                    break
                self._take(event)
        except self._h11.RemoteProtocolError as error:
            raise ProtocolError(str(error).partition(":")[0]) from None  # behind it h11 quotes what came, which may be our secret
        return b""

    def _written(self, request: Request, host: str, target: str) -> bytes:
        fields = [("Host", host), ("User-Agent", "Gatepost"), ("Accept-Encoding", "identity"), ("Connection", "close")]
        if request.body or request.method == "POST":
            fields.append(("Content-Length", str(len(request.body))))
        try:
            head = self._h11.Request(method=request.method, target=target, headers=[*fields, *request.headers])
            events = (head, self._h11.Data(data=request.body), self._h11.EndOfMessage())
            parts = [self._connection.send(event) for event in events]
        except (self._h11.LocalProtocolError, UnicodeEncodeError):  # its text shows the field, which may be a secret
            raise ValueError("a header field that cannot be written") from None
        return b"".join(part or b"" for part in parts)

    def _take(self, event: "h11.Event | type[h11.NEED_DATA | h11.PAUSED]") -> None:
        self._events += 1
        if self._events > _EVENTS:
            raise ProtocolError("an answer in too many pieces")
        if isinstance(event, self._h11.Response):
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            self._head = Response(event.status_code, headers)
            self._check_length()
        elif isinstance(event, self._h11.Data):
            self._body += event.data
            if len(self._body) > self._most_octets:
                raise self._too_long()
        elif isinstance(event, self._h11.EndOfMessage):
            self.finish(Response(self._head.status, self._head.headers, bytes(self._body)), reusable=False)

    def _check_length(self) -> None:
        """Raises ProtocolError for a response that does not say where it ends, or is too long by its own word."""
        if self._method == "HEAD" or self._head.status in (204, 304) or self._head.header("transfer-encoding"):
            return
        length = self._head.header("content-length")
        if not length:
            raise ProtocolError("an answer that does not say where it ends")
        if int(length) > self._most_octets:
            raise self._too_long()

    def _too_long(self) -> ProtocolError:
        return ProtocolError(f"an answer of more than {self._most_octets} octets")
