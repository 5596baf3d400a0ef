"""Class 7 and 21 at log-in: crowds that guess, and a back end that hangs, keep nobody out whom another one or memory knows."""

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gatepost.auth.backends import stored_password
from tests.abuse.test_07_log_in import AuthServer
from tests.abuse.test_21_guessing import PASSWORD, _code
from tests.integration.system import System
from tests.support.running import OWNER

_MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_auth_refusal_delay = 0
smtpd_client_event_limit_exceptions =
smtpd_client_connection_count_limit = 0
smtpd_auth_user_guess_limit = 0
smtpd_auth_client_guess_limit = 0
smtpd_auth_hash_limit = 1
worker_processes = 1
helper_failure_limit = 0
smtpd_auth_timeout = 15s
"""


@pytest.fixture(scope="module")
def server() -> Iterator[AuthServer]:
    one = AuthServer()
    yield one
    one.stop()


@pytest.fixture
def gatepost(server: AuthServer) -> Iterator[System]:
    system = System()
    users = system.folder / "users"
    users.write_text(f"anna:{stored_password.hashed(PASSWORD.encode())}\n")
    users.chmod(0o640)
    if os.getuid() == 0:
        shutil.chown(users, OWNER)
    system.change(f"{_MAIN}smtpd_auth_backends = file:{users} dovecot\nsmtpd_sasl_path = {server.path}\n")
    with system:
        yield system


def test_a_crowd_that_fills_the_line_of_hashes_shuts_out_nobody_who_is_remembered(gatepost: System) -> None:
    assert _code(gatepost, "anna", PASSWORD) == 235
    stop = threading.Event()

    def guess(number: int) -> set[int]:
        codes, count = set[int](), 0
        while not stop.is_set():
            codes.add(_code(gatepost, f"user{number}", f"{count}", f"127.0.{1 + number // 200}.{1 + number % 200}"))
            count += 1
        return codes

    with ThreadPoolExecutor(90) as crowd:
        guessers = [crowd.submit(guess, number) for number in range(90)]
        try:
            assert {_code(gatepost, "anna", PASSWORD) for _ in range(20)} == {235}
        finally:
            stop.set()
        assert set().union(*(one.result() for one in guessers)) <= {535, 454}


def test_a_back_end_that_hangs_keeps_nobody_waiting_for_another(gatepost: System) -> None:
    with ThreadPoolExecutor(60) as crowd:
        waiting = [crowd.submit(_code, gatepost, "hangs", "x", f"127.0.2.{1 + number}") for number in range(60)]
        assert _code(gatepost, "anna", PASSWORD) == 235
        assert _code(gatepost, "alice", "right one!") == 235  # by the very server that hangs for others
        assert gatepost.send()
        assert {one.result() for one in waiting} == {454}
