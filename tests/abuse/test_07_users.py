"""Class 7 at log-in: names and passwords that mean something in the language of a back end, or in that of the next line."""

import base64
import os
import shutil
import smtplib
import sqlite3
from collections.abc import Iterator

import pytest

from gatepost.auth.backends import stored_password
from tests.integration.system import System
from tests.support.running import OWNER

PASSWORD = "right-one"
NAMES = (
    "anna:", "#anna", ":", "anna:{PLAIN}x", "anna\n", "anna\r\nben", "anna\\", "anna%00", "../users", "/etc/passwd",
    "x' OR '1'='1", "x' UNION SELECT '{PLAIN}right-one' --", "x'/**/UNION/**/SELECT/**/'{PLAIN}right-one",
    '"; DROP TABLE users; --', "*", "anna*", "*)(uid=*))(|(uid=*", "\\2a", "%s", "%u%d", "{PLAIN}right-one",
    "\x1b[2J", "a" * 256, "a" * 5000, "\u202eanna", "anna ", " anna", "ANNA", "änna", "",
)  # fmt: skip


@pytest.fixture(scope="module")
def gatepost() -> Iterator[System]:
    system = System()
    users, database, table = system.folder / "users", system.folder / "users.db", system.conf / "users.cf"
    users.write_text(f"anna:{stored_password.hashed(PASSWORD.encode())}\n")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE users (login TEXT, stored TEXT)")
        connection.execute("INSERT INTO users VALUES ('anna', ?)", ["{PLAIN}" + PASSWORD])
    connection.close()
    table.write_text(f"dbpath = {database}\nquery = SELECT stored FROM users WHERE login = '%s'\n")
    for file in (users, database):
        file.chmod(0o640)
        if os.getuid() == 0:
            shutil.chown(file, OWNER)
    system.change(
        f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:{users} sql:{table}\nsmtpd_auth_refusal_delay = 0\n"
        "smtpd_auth_user_guess_limit = 0\nsmtpd_auth_client_guess_limit = 0\n"
    )
    with system:
        yield system


def _code(gatepost: System, octets: bytes) -> int:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.ehlo()
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(octets).decode())[0]


@pytest.mark.parametrize("name", NAMES)
def test_names(gatepost: System, name: str) -> None:
    assert _code(gatepost, b"\0" + name.encode() + b"\0" + PASSWORD.encode()) in (535, 501)
    assert _code(gatepost, f"\0anna\0{PASSWORD}".encode()) == 235


PASSWORDS = (
    b"",
    b"right-one\0",
    b"right-one\n",
    b"right-one\r",
    b"\xff\xfe",
    b"x" * 5000,
    b"' OR '1'='1",
    b"{PLAIN}right-one",
    b"*",
)


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords(gatepost: System, password: bytes) -> None:
    assert _code(gatepost, b"\0anna\0" + password) in (535, 501)


def test_a_name_with_nul_is_three_fields_too_many(gatepost: System) -> None:
    assert _code(gatepost, b"\0anna\0x\0" + PASSWORD.encode()) in (535, 501)
    assert _code(gatepost, b"ben\0anna\0" + PASSWORD.encode()) in (535, 501)


def test_no_secret_is_written_down(gatepost: System) -> None:
    telling = "never-to-be-seen"
    for octets in (f"\0anna\0{telling}", f"\0nobody\0{telling}", f"{telling}\0{telling}", f"\0anna\0{telling}\0{telling}"):
        _code(gatepost, octets.encode())
    gatepost.logged("authentication failed")
    assert telling not in gatepost.log()
    assert base64.b64encode(f"\0anna\0{telling}".encode()).decode() not in gatepost.log()
