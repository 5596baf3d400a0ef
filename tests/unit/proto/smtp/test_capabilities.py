"""What a server's EHLO reply offers."""

import pytest

from gatepost.proto.smtp.client_commands import capabilities


@pytest.mark.parametrize(
    ("lines", "mechanisms"),
    [
        ((b"AUTH PLAIN LOGIN",), "PLAIN LOGIN"),
        ((b"AUTH=PLAIN",), "PLAIN"),
        ((b"AUTH LOGIN", b"AUTH=PLAIN"), "LOGIN PLAIN"),
        ((b"AUTH PLAIN", b"AUTH=PLAIN"), "PLAIN"),
        ((b"AUTH", b"AUTH PLAIN"), "PLAIN"),
        ((b"AUTH",), ""),
    ],
)
def test_mechanisms_of_several_lines(lines: tuple[bytes, ...], mechanisms: str) -> None:
    assert capabilities((b"mx.test", *lines)).keywords["AUTH"] == mechanisms


def test_a_server_that_never_stops_offering() -> None:
    lines = (f"AUTH X{number}".encode() for number in range(10_000))
    assert len(capabilities((b"mx.test", *lines)).keywords["AUTH"]) < 2100
