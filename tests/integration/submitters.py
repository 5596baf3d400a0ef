"""A Gatepost whose users log in and send, for tests of the brake for stolen passwords."""

import json
import os
import pwd
import smtplib
import subprocess
import sys
from collections.abc import Callable

from tests.integration.system import System
from tests.support.running import OWNER

Make = Callable[..., System]
ANNA, BERTA, PASSWORD = "anna@example.test", "berta", "right one"
MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_auth_refusal_delay = 0
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
mydestination =
"""


def started(make: Make, main: str) -> System:
    """A Gatepost whose users are Anna, Berta, and whoever XCLIENT names."""
    one = make(MAIN + main)
    file = one.folder / "users"
    for user in (ANNA, BERTA):
        command = [sys.executable, "-m", "gatepost.cli", "user", "-f", str(file), "add", user]
        subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    os.chown(file, 0, pwd.getpwnam(OWNER).pw_gid)
    one.change(f"smtpd_auth_backends = file:{file}")
    one.start()
    return one


def session(one: System, user: str) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", one.port, timeout=60)
    client.ehlo()
    client.login(user, PASSWORD)
    return client


def xclient(one: System, login: str, address: str = "192.0.2.1") -> smtplib.SMTP:
    """A session of any user, from anywhere."""
    client = smtplib.SMTP("127.0.0.1", one.port, timeout=60)
    client.ehlo()
    xtext = "".join(c if 33 <= ord(c) <= 126 and c not in "+=" else f"+{ord(c):02X}" for c in login)
    assert client.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE] LOGIN={xtext}")[0] == 220
    client.ehlo()
    return client


def send(client: smtplib.SMTP, subject: str, *to: str) -> None:
    refused = client.sendmail("a@example.com", to or ["b@example.test"], f"Subject: {subject}\r\n\r\nbody\r\n")
    assert refused == {}


def held(one: System) -> list[str]:
    return [line for line in one.queue() if json.loads(line)["queue_name"] == "hold"]


def submission(one: System, *words: str, status: int = 0) -> str:
    done = one.command("submission", *words)
    assert (done.returncode, done.stderr) == (status, "") or status, done.stderr
    assert done.returncode == status, done.stderr
    return str(done.stdout + done.stderr)
