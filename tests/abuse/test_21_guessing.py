"""Class 21 at log-in: guessers. They cost no hash beyond their limit, and hold up nobody who knows his password."""

import base64
import os
import shutil
import smtplib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gatepost.auth.backends import stored_password
from tests.integration.system import System
from tests.support.running import OWNER

PASSWORD = "right-one"
LIMIT = 10


@pytest.fixture
def gatepost() -> Iterator[System]:
    system = System()
    users = system.folder / "users"
    users.write_text(f"anna:{stored_password.hashed(PASSWORD.encode())}\nben:{stored_password.hashed(b'ben')}\n")
    users.chmod(0o640)
    if os.getuid() == 0:
        shutil.chown(users, OWNER)
    system.change(
        f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:{users}\nsmtpd_auth_refusal_delay = 0\nworker_processes = 2\n"
        f"smtpd_client_event_limit_exceptions =\nsmtpd_auth_client_guess_limit = {LIMIT}\nsmtpd_auth_cache_time = 0\n"
        "smtpd_client_connection_count_limit = 0\n"
    )
    with system:
        yield system


def _code(gatepost: System, user: str, password: str, source: str = "127.0.0.1") -> int:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60, source_address=(source, 0)) as client:
        client.ehlo()
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())[0]


def test_many_guessers_at_one_time_have_their_limit_and_no_more(gatepost: System) -> None:
    with ThreadPoolExecutor(20) as crowd:
        codes = list(crowd.map(lambda n: _code(gatepost, f"user{n}", f"guess{n}"), range(100)))
    assert codes.count(535) == LIMIT
    assert codes.count(454) == 100 - LIMIT


def test_nobody_is_shut_out_by_guesses_elsewhere(gatepost: System) -> None:
    assert _code(gatepost, "anna", PASSWORD, "127.0.0.9") == 235
    stop = threading.Event()

    def guess(number: int) -> None:
        count = 0
        while not stop.is_set() and count < 200:
            _code(gatepost, "anna", f"{number} {count}", f"127.0.1.{number}")
            count += 1

    with ThreadPoolExecutor(4) as crowd:
        for number in range(1, 5):
            crowd.submit(guess, number)
        try:
            assert [_code(gatepost, "anna", PASSWORD, "127.0.0.9") for _ in range(20)] == [235] * 20
            assert _code(gatepost, "ben", "ben", "127.0.0.10") == 235  # whom nobody guesses at
        finally:
            stop.set()
    assert _code(gatepost, "anna", PASSWORD, "127.0.2.1") == 454  # where nobody knows him
