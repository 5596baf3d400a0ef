"""Log-ins through a running Gatepost, by back ends of smtpd_auth_backends."""

import base64
import os
import re
import smtplib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.slapd import BASE, Slapd, person
from tests.integration.system import System
from tests.integration.unix_accounts import MEMBER, OUTSIDER, PASSWORDS, tag, unix_accounts
from tests.support.free_ports import free_port
from tests.support.running import OWNER, wait_for

Make = Callable[..., System]
PASSWORD = "never-to-be-seen"
QUICK = "smtpd_auth_refusal_delay = 0\nsmtpd_client_event_limit_exceptions =\n"


def _login(gatepost: System, user: str, password: str, mechanism: str = "PLAIN") -> int:
    """The code of AUTH PLAIN on a connection of its own."""
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.ehlo()
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return client.docmd("AUTH", f"{mechanism} {response}")[0]


def _user(file: Path, *words: str, told: str = "") -> str:
    command = [sys.executable, "-m", "gatepost.cli", "user", "-f", str(file), *words]
    return subprocess.run(command, input=told, capture_output=True, text=True, check=True).stdout.strip()


def _users(gatepost: System) -> Path:
    """A file of which the workers can read, as `gatepost user` leaves it."""
    file = gatepost.folder / "users"
    _user(file, "add", "anna@example.com", told=f"{PASSWORD}\n")
    if os.getuid() == 0:
        import grp
        import pwd

        os.chown(file, 0, pwd.getpwnam(OWNER).pw_gid)
        assert grp.getgrgid(file.stat().st_gid)
    return file


def _with_file(system: Make, more: str = "") -> tuple[System, Path]:
    gatepost = system(f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:/nonexistent\n{QUICK}{more}")
    file = _users(gatepost)
    gatepost.change(f"smtpd_auth_backends = file:{file}")
    gatepost.start()
    return gatepost, file


def test_a_user_of_the_file(system: Make) -> None:
    gatepost, file = _with_file(system)
    assert _login(gatepost, "anna@example.com", PASSWORD) == 235
    assert _login(gatepost, "anna@example.com", "wrong") == 535
    assert _login(gatepost, "nobody", PASSWORD) == 535
    token = _user(file, "app-password", "anna@example.com", "phone")
    assert _login(gatepost, "anna@example.com", token) == 235
    _user(file, "app-password", "--revoke", "anna@example.com", "phone")
    assert _login(gatepost, "anna@example.com", token) == 535  # at once, whatever is remembered
    _user(file, "delete", "anna@example.com")
    assert _login(gatepost, "anna@example.com", PASSWORD) == 535
    gatepost.logged("postfix/smtpd[", "authentication failed", "sasl_username=anna@example.com")
    for secret in (PASSWORD, base64.b64encode(f"\0anna@example.com\0{PASSWORD}".encode()).decode(), token):
        assert secret not in gatepost.log()


def test_a_file_that_is_not_there_is_for_now(system: Make) -> None:
    gatepost = system(f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:/nonexistent/users\n{QUICK}").start()
    assert _login(gatepost, "anna", PASSWORD) == 454


@pytest.mark.parametrize("word", ["ldap:nowhere", "sql:/nonexistent.cf"])
def test_a_back_end_that_cannot_be_opened_lets_nobody_in(system: Make, word: str) -> None:
    gatepost = system(f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = {word}\n{QUICK}").start()
    assert _login(gatepost, "anna", PASSWORD) == 454
    gatepost.logged(f"warning: smtpd_auth_backends: {word}: ")


@pytest.mark.parametrize("word", ["sql:", "sql:sqlite:", "ldap:"])
def test_the_file_of_a_back_end_may_be_for_root_alone(system: Make, word: str) -> None:
    """Its passwords are the database's, or the directory's."""
    gatepost = system()
    folder, port = gatepost.conf, free_port()
    with sqlite3.connect(folder / "users.db") as database:
        database.execute("CREATE TABLE users (login TEXT, stored TEXT)")
        database.execute("INSERT INTO users VALUES (?, ?)", ("anna", f"{{PLAIN}}{PASSWORD}"))
    database.close()
    (folder / "users.db").chmod(0o644)
    text = f"dbpath = {folder}/users.db\nquery = SELECT stored FROM users WHERE login = '%s'\n"
    file = folder / "back-end.cf"
    file.touch(0o600)
    file.write_text(f"server_host = ldap://127.0.0.1:{port}\nsearch_base = {BASE}\n" if word == "ldap:" else text)
    gatepost.change(f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = {word}{file}\n{QUICK}")
    gatepost.start()
    if word == "ldap:":
        assert _login(gatepost, "anna", PASSWORD) == 454
        gatepost.logged("SASL PLAIN authentication failed", "Can't contact LDAP server")  # it was asked
    else:
        assert _login(gatepost, "anna", PASSWORD) == 235
        assert _login(gatepost, "anna", "wrong") == 535


def test_guessing_is_slowed_in_all_workers(system: Make) -> None:
    gatepost, _ = _with_file(system, "smtpd_auth_client_guess_limit = 5\nworker_processes = 2\n")
    codes = [_login(gatepost, f"user{n}", "guess") for n in range(12)]
    assert sorted(codes) == [454] * 7 + [535] * 5
    gatepost.logged("too many wrong passwords from 127.0.0.1/32")


def test_the_next_back_end(system: Make) -> None:
    gatepost, file = _with_file(system)
    gatepost.change(f"smtpd_auth_backends = file:/nonexistent/users file:{file}")
    gatepost.command("reload")
    assert _until(lambda: _login(gatepost, "anna@example.com", "wrong"), 454)
    assert _login(gatepost, "anna@example.com", PASSWORD) == 235


def _until(code: Callable[[], int], wanted: int) -> bool:
    return bool(wait_for(lambda: code() == wanted, lambda: f"{wanted}"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it makes accounts")
def test_accounts_of_the_machine(system: Make) -> None:
    with unix_accounts(f"l{tag()}") as accounts:
        lines = f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = pam\nsmtpd_sasl_service = {accounts.service}\n{QUICK}"
        gatepost = system(lines).start()
        assert _login(gatepost, f"{MEMBER}l{tag()}", PASSWORDS[MEMBER]) == 235
        assert _login(gatepost, f"{MEMBER}l{tag()}", "wrong") == 535
        assert _login(gatepost, f"{OUTSIDER}l{tag()}", PASSWORDS[OUTSIDER]) == 535
        assert _login(gatepost, "nobody-of-this-name", "x") == 535
        assert not re.search("anna's secret|ben's secret", gatepost.log())


def test_a_directory_and_one_that_hangs(system: Make) -> None:
    dn, attributes = person("anna", mailacceptinggeneralid=["anna"], userPassword=[PASSWORD])
    entry = dn, {**attributes, "objectClass": ["device", "mailUser", "simpleSecurityObject"]}
    directory = Slapd([entry])
    try:
        gatepost = system()
        table = gatepost.conf / "ldap-users.cf"
        table.write_text(
            f"server_host = {directory.url}\nsearch_base = {BASE}\ntimeout = 2\nquery_filter = (mailacceptinggeneralid=%s)\n"
        )
        gatepost.change(
            f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = ldap:{table}\n{QUICK}"
            "smtpd_auth_cache_time = 0\nworker_processes = 1\n"
        )
        gatepost.start()
        assert _login(gatepost, "anna", PASSWORD) == 235
        assert _login(gatepost, "anna", "wrong") == 535
        directory.pause()
        with ThreadPoolExecutor(8) as crowd:
            waiting = [crowd.submit(_login, gatepost, "anna", PASSWORD) for _ in range(8)]
            assert gatepost.send()  # others have their turn
            assert {one.result() for one in waiting} == {454}
        directory.pause(False)
        wait_for(lambda: _login(gatepost, "anna", PASSWORD) == 235, "a directory that is back", 60)
        assert PASSWORD not in gatepost.log()
    finally:
        directory.clean()


def test_saslauthd_in_turn(system: Make) -> None:
    """Its socket below queue_directory; here nobody listens there, so that it cannot say, and the file can."""
    gatepost, file = _with_file(system)
    mux = gatepost.spool / "var" / "run" / "saslauthd"
    mux.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(mux / "mux"))
    gatepost.change(f"smtpd_auth_backends = saslauthd, file:{file}")
    gatepost.command("reload")
    assert _until(lambda: _login(gatepost, "anna@example.com", "wrong"), 454)
    assert _login(gatepost, "anna@example.com", PASSWORD) == 235
