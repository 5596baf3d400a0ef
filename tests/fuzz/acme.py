"""Cores of gatepost.acme: what an authority answers, and what anybody asks at the port of a challenge."""

import contextlib

from gatepost.acme import answers, certificate
from gatepost.acme.port import AcmeFailure
from gatepost.acme.responder_http import answer
from gatepost.proto.http import Response

_TOKEN = "0123456789abcdefghijklmn"
_HEADERS = ("content-type", "retry-after", "replay-nonce")


def acme_answers(octets: bytes) -> None:
    """The first three lines are header fields, the rest the body."""
    *lines, body = (octets + b"\n\n\n").split(b"\n", 3)
    fields = tuple((name, line.decode("latin-1")) for name, line in zip(_HEADERS, lines, strict=True))
    response = Response(400, fields, body)
    told = str(answers.problem(response))
    assert told.isprintable() and told.isascii() and len(told) <= 300
    assert 0 <= answers.retry_after(response, 1.8e9) <= 86400
    assert answers.nonce(response) in ("", fields[2][1])
    for kind in (answers.Directory, answers.Order, answers.Authorization, answers.Challenge, answers.Account):
        with contextlib.suppress(AcmeFailure):
            found = answers.read(response, kind, "ca.test")
            if isinstance(found, answers.Challenge):
                assert "/" not in found.checked_token()
    certificate.read(body)


def acme_challenge(octets: bytes) -> None:
    """Whoever does not ask for the token finds nothing."""
    found = answer(octets, {_TOKEN: "proof"})
    asked = octets.startswith(f"GET /.well-known/acme-challenge/{_TOKEN} HTTP/1.".encode())
    assert found.endswith(b"proof") <= asked
    assert found.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 200 ")) and len(found) < 200
