"""Class 21 at log-in: thousands who stop half way through AUTH LOGIN, each with a response without an end, take little memory and
nobody's place; and who tries too often is told so by all workers together."""

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

from gatepost.auth.backends import stored_password
from tests.abuse.test_21_connections import IDLE
from tests.integration.system import System
from tests.support.running import OWNER, Client, wait_for

PASSWORD = "right-one"
_KILOBYTES = 40 + 12
"""Of memory that such a session may take: that of an idle one, and smtpd_sasl_response_limit."""

_MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_auth_refusal_delay = 0
smtpd_client_event_limit_exceptions =
smtpd_error_sleep_time = 0
"""


@pytest.fixture
def gatepost() -> Iterator[System]:
    system = System(_MAIN)
    users = system.folder / "users"
    users.write_text(f"anna:{stored_password.hashed(PASSWORD.encode())}\n")
    users.chmod(0o640)
    if os.getuid() == 0:
        shutil.chown(users, OWNER)
    system.change(f"smtpd_auth_backends = file:{users}\n")
    yield system
    system.stop()


def _word(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("piece", [b"A" * 12_000, b"A" * 40_000])
def test_thousands_half_way(gatepost: System, piece: bytes) -> None:
    gatepost.change("worker_processes = 1\n")
    gatepost.start()
    with contextlib.ExitStack() as stack:
        before = gatepost.resident()
        for _ in range(IDLE):
            client = stack.enter_context(gatepost.client())
            client.say("EHLO client.example.com")
            assert client.say("AUTH LOGIN")[0] == 334
            assert client.say(_word("anna"))[0] == 334
            client.write(piece)
        with Client(gatepost.port, source="127.0.0.2") as other:
            other.say("EHLO client.example.com")
            assert other.say(f"AUTH PLAIN {_word(f'{chr(0)}anna{chr(0)}{PASSWORD}')}")[0] == 235
        assert gatepost.resident() - before < IDLE * _KILOBYTES * 1024
    assert gatepost.send()


def test_auth_commands_are_counted_in_all_workers_together(gatepost: System) -> None:
    """smtpd_client_auth_rate_limit: those that fail, succeed and are broken off, over connections that different workers have."""
    gatepost.change("worker_processes = 4\nsmtpd_client_auth_rate_limit = 6\nanvil_rate_time_unit = 1h\n")
    gatepost.start()
    wait_for(lambda: len(gatepost.workers()) == 4, "four workers")
    right, wrong = (f"AUTH PLAIN {_word(f'{chr(0)}anna{chr(0)}{password}')}" for password in (PASSWORD, "wrong"))
    codes = []
    for number in range(24):
        with gatepost.client() as client:
            client.say("EHLO client.example.com")
            codes.append(client.say((right, wrong, "AUTH LOGIN")[number % 3])[0])
    assert codes == [235, 535, 334] * 2 + [450] * 18
    with Client(gatepost.port, source="127.0.0.2") as other:
        other.say("EHLO client.example.com")
        assert other.say(right)[0] == 235
    gatepost.logged("AUTH command rate limit exceeded: 7 from unknown[127.0.0.1]")
