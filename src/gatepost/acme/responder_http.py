"""HTTP-01 (RFC 8555 §8.3): what is answered to a request; nothing but the tokens of this moment is known here."""

import re
from collections.abc import Mapping
from typing import Final

_REQUEST: Final = re.compile(rb"GET /\.well-known/acme-challenge/(?P<token>[A-Za-z0-9_-]{1,256}) HTTP/1\.[01]\r?\n")


def answer(question: bytes, known: Mapping[str, str]) -> bytes:
    """The response to the head of a request, whole; `known`: key authorizations by token."""
    found = _REQUEST.match(question)
    body = known.get(found["token"].decode()) if found else None
    if body is None:
        return _response(b"404 Not Found", b"text/plain", b"not found\n")
    return _response(b"200 OK", b"application/octet-stream", body.encode())


def _response(status: bytes, kind: bytes, body: bytes) -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), b"Connection: close", b"", b"")
    return b"\r\n".join(head) + body
