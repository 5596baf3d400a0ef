"""Mail programs that log in and send a letter, each as its users start it. All of them check the server's certificate."""

import os
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.integration import thunderbird as driven

_PHPMAILER = Path(__file__).with_name("phpmailer.php")
_PATIENCE = 60.0  # seconds that a program may take


class Door(NamedTuple):
    """Where a program knocks, on localhost. `wrapped`: TLS from the first octet, not after STARTTLS; `authority`: who has signed
    the server's certificate."""

    port: int
    wrapped: bool
    authority: Path


class Letter(NamedTuple):
    """What is sent, and by whom."""

    user: str
    password: str
    sender: str
    to: str
    subject: str

    @property
    def text(self) -> str:
        return f"From: {self.sender}\nTo: {self.to}\nSubject: {self.subject}\n\nbody\n"


class Said(NamedTuple):
    """Whether a program says that its letter was taken, and all that it says."""

    taken: bool
    text: str


def _run(*command: str, text: str = "", home: str = "/nonexistent") -> Said:
    """Run a program that reads nobody's own settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, input=text, text=True, errors="replace", capture_output=True, timeout=_PATIENCE, env=environment)
    return Said(done.returncode == 0, done.stdout + done.stderr)


def msmtp(door: Door, letter: Letter) -> Said:
    starttls = "off" if door.wrapped else "on"
    options = ["--host=localhost", f"--port={door.port}", f"--from={letter.sender}", "--auth=on", f"--user={letter.user}"]
    options += ["--tls=on", f"--tls-starttls={starttls}", f"--tls-trust-file={door.authority}"]
    return _run("msmtp", "--file=/dev/null", *options, f"--passwordeval=echo '{letter.password}'", letter.to, text=letter.text)


def swaks(door: Door, letter: Letter) -> Said:
    options = ["--tls-on-connect" if door.wrapped else "--tls", "--tls-verify", "--tls-ca-path", str(door.authority)]
    options += ["--auth", "LOGIN", "--auth-user", letter.user, "--auth-password", letter.password]
    options += ["--from", letter.sender, "--to", letter.to, "--header", f"Subject: {letter.subject}"]
    return _run("swaks", "--server", f"localhost:{door.port}", *options)


def curl(door: Door, letter: Letter) -> Said:
    url = f"{'smtps' if door.wrapped else 'smtp'}://localhost:{door.port}"
    options = ["--ssl-reqd", "--cacert", str(door.authority), "--user", f"{letter.user}:{letter.password}"]
    options += ["--mail-from", letter.sender, "--mail-rcpt", letter.to, "-T", "-"]
    return _run("curl", "-sSv", url, *options, text=letter.text)


def python_smtplib(door: Door, letter: Letter) -> Said:
    context = ssl.create_default_context(cafile=str(door.authority))
    try:
        with (
            smtplib.SMTP_SSL("localhost", door.port, timeout=_PATIENCE, context=context)
            if door.wrapped
            else smtplib.SMTP("localhost", door.port, timeout=_PATIENCE)
        ) as client:
            if not door.wrapped:
                client.starttls(context=context)
            client.login(letter.user, letter.password)
            client.sendmail(letter.sender, [letter.to], letter.text)
    except smtplib.SMTPException as error:
        return Said(False, str(error))
    return Said(True, "")


def phpmailer(door: Door, letter: Letter) -> Said:
    secure = "ssl" if door.wrapped else "tls"
    return _run("php", str(_PHPMAILER), str(door.port), secure, str(door.authority), *letter)


def s_nail(door: Door, letter: Letter) -> Said:
    who = f"{quote(letter.user, safe='')}:{quote(letter.password, safe='')}"
    url = f"{'smtps' if door.wrapped else 'smtp'}://{who}@localhost:{door.port}"
    settings = ["v15-compat=yes", f"mta={url}", f"tls-ca-file={door.authority}", "tls-ca-no-defaults", "tls-verify=strict"]
    settings += [f"from={letter.sender}", "smtp-auth=login", "sendwait", "nosave"]
    settings += [] if door.wrapped else ["smtp-use-starttls"]
    options = [word for setting in settings for word in ("-S", setting)]
    return _run("s-nail", "-:/", "-v", *options, "-s", letter.subject, letter.to, text="body\n")


def mutt(door: Door, letter: Letter) -> Said:
    with tempfile.TemporaryDirectory(prefix="mutt-") as home:
        url = f"{'smtps' if door.wrapped else 'smtp'}://{letter.user}@localhost:{door.port}"
        settings = {"smtp_url": url, "smtp_pass": letter.password, "from": letter.sender, "copy": "no"}
        settings |= {"ssl_ca_certificates_file": str(door.authority), "ssl_force_tls": "yes", "use_envelope_from": "yes"}
        rc = Path(home, "muttrc")
        rc.write_text("".join(f'set {name} = "{value}"\n' for name, value in settings.items()))
        return _run("mutt", "-n", "-F", str(rc), "-s", letter.subject, letter.to, text="body\n", home=home)


def thunderbird(door: Door, letter: Letter) -> Said:
    told = driven.send(door.port, door.wrapped, door.authority.read_text(), *letter)
    return Said(told == [0, None], f"{told}")


PROGRAMS: Mapping[str, Callable[[Door, Letter], Said]] = {
    "msmtp": msmtp,
    "swaks": swaks,
    "curl": curl,
    "smtplib": python_smtplib,
    "PHPMailer": phpmailer,
    "s-nail": s_nail,
    "mutt": mutt,
    "Thunderbird": thunderbird,
}
