"""Cross-protocol requests: a browser that is made to talk to the port is sent away, and its body is never taken for commands."""

import pytest

from tests.support.running import System
from tests.support.sink import Sink

_MAIL = b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: forged\r\n\r\n.\r\nQUIT\r\n"
REQUESTS = {
    "HTTP POST": b"POST / HTTP/1.1\r\nHost: mail.example.test:25\r\nContent-Length: 100\r\n\r\n" + _MAIL,
    "HTTP GET": b"GET / HTTP/1.0\r\n\r\n" + _MAIL,
    "HTTP PUT": b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n" + _MAIL,
    "HTTP CONNECT": b"CONNECT x:25 HTTP/1.1\r\n\r\n" + _MAIL,
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00\xff" * 200 + b"\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SIP": b"INVITE sip:x SIP/2.0\r\nVia: x\r\n\r\n",
    "SMB": b"\x00\x00\x00\x85\xffSMB" + bytes(130) + b"\r\n",
    "memcached": b"set x 0 0 5\r\nabcde\r\n",
    "random": bytes((i * 7919 + 13) % 256 for i in range(20000)) + b"\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_of_other_protocols(name: str) -> None:
    with Sink() as sink, System({"smtpd_error_sleep_time": "0"}, relay=sink.port) as system:
        with system.client() as client:
            client.write(REQUESTS[name])
            client.write(b"QUIT\r\n")
            codes = client.all_replies()
            assert codes
            assert 354 not in codes
        assert not sink.taken
        if name.startswith("HTTP"):
            system.logged("non-SMTP command from unknown[127.0.0.1]")
        assert system.send("X-Id: well\r\n\r\n")
