"""Greylisting in a running Gatepost: its smtpd, a real Postfix that asks the service, what outlives a worker, the command."""

import os
import random
import re
import shlex
import signal
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.lookup.berkeley_db import pairs
from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.postgrey import START, Postgrey, Sent
from tests.support.running import System, wait_for

_MAIN = {
    "inet_protocols": "ipv4",
    "mydestination": "",
    "virtual_mailbox_domains": "example.net",
    "virtual_mailbox_base": "{dir}/Maildir",
    "virtual_mailbox_maps": "static:box/",
    "virtual_uid_maps": "static:65534",
    "virtual_gid_maps": "static:65534",
    "smtpd_peername_lookup": "no",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "smtpd_recipient_restrictions": "check_greylist",
    "greylist_delay": "1s",
    "greylist_whitelist_clients": "{dir}/clients",
    "greylist_whitelist_recipients": "{dir}/recipients",
}
_CLIENT = "client_name=unknown, client_address=192.0.2.1"
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - greylist
127.0.0.1:{third} inet n - n - - greylist -o greylist_exim=yes
127.0.0.1:{fourth} inet n - n - - greylist -o greylist_delay=1h
"""


@pytest.fixture(scope="module")
def gatepost() -> Iterator[System]:
    one = System(_MAIN, _MASTER)
    (one.folder / "Maildir").mkdir()
    os.chmod(one.folder / "Maildir", 0o777)
    (one.folder / "clients").write_text("# nobody\n")
    (one.folder / "recipients").write_text("free@\n")
    with one:
        yield one


def ask(port: int, sender: str, recipient: str = "b@example.net", client: str = "192.0.2.1") -> str:
    """The action of a greylist service."""
    sent = Sent(0, client, "unknown", sender, recipient, "1").request()
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall("".join(f"{name}={value}\n" for name, value in sent.items()).encode("utf-8", "surrogateescape") + b"\n")
        line = s.makefile("rb").readline()
    assert line.startswith(b"action="), line
    return line[7:].decode().strip()


def xclient(port: int, address: str = "192.0.2.1") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, timeout=60)
    client.ehlo("proxy.test")
    assert client.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE]")[0] == 220
    client.ehlo("helo.test")
    return client


def first_reply(port: int, sender: str, recipient: str = "b@example.net") -> tuple[int, str]:
    with xclient(port) as client:
        client.mail(sender)
        code, text = client.rcpt(recipient)
    return code, text.decode()


def delivered(port: int, sender: str, subject: str, *to: str) -> None:
    """Send it as soon as it is taken for all of them; the last, who has waited least, is asked for first, and no other before."""

    def taken() -> bool:
        with xclient(port, "192.0.2.99") as client:
            client.mail(sender)
            if any(client.rcpt(one)[0] != 250 for one in reversed(to)):
                return False
            return client.data(f"Subject: {subject}\r\n\r\nbody\r\n")[0] == 250

    wait_for(taken, f"{subject} is taken")


def arrival(system: System, text: bytes) -> bytes:
    def found() -> bytes:
        files = (system.folder / "Maildir/box/new").glob("*")
        return next((message for file in files if text in (message := file.read_bytes())), b"")

    return wait_for(found, lambda: f"{text!r} delivered\n{system.log()}")


def test_our_smtpd(gatepost: System) -> None:
    code, text = first_reply(gatepost.port, "a@ours.test")
    assert (code, text) == (
        450, "4.7.1 <b@example.net>: Recipient address rejected: Greylisted, please try again in 1 seconds",
    )  # fmt: skip
    gatepost.logged("reject: RCPT from unknown[192.0.2.1]: 450 4.7.1 <b@example.net>")
    first_reply(gatepost.port, "a@ours.test", "c@example.net")
    delivered(gatepost.port, "a@ours.test", "ours", "b@example.net", "c@example.net")
    assert arrival(gatepost, b"Subject: ours").count(b"X-Greylist: delayed ") == 1


def test_a_real_postfix_asks_our_service(gatepost: System) -> None:
    one = Postfix(
        f"smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:{gatepost.second}\n"
        "smtpd_authorized_xclient_hosts = 127.0.0.0/8\nsmtpd_peername_lookup = no\n"
    )
    try:
        code, text = first_reply(one.port, "a@theirs.test")
        assert (code, "Greylisted" in text) == (450, True)
        gatepost.logged(
            "postfix/greylist[", "action=greylist, reason=new, client_name=unknown, client_address=192.0.2.1, sender=a@theirs"
        )
        first_reply(one.port, "a@theirs.test", "c@example.net")
        delivered(one.port, "a@theirs.test", "theirs", "b@example.net", "c@example.net")
        assert one.arrival(b"Subject: theirs").count(b"X-Greylist: delayed ") == 1
        assert first_reply(one.port, "new@theirs.test", "free@example.net")[0] == 250
    finally:
        one.clean()


def test_exim_has_its_connection_closed(gatepost: System) -> None:
    request = b"request=smtpd_access_policy\nclient_address=192.0.2.1\nsender=a@exim.test\nrecipient=b@example.net\n\n"
    with socket.create_connection(("127.0.0.1", gatepost.third), 20) as s:
        s.sendall(request)
        assert s.makefile("rb").read().startswith(b"action=DEFER_IF_PERMIT Greylisted")


def test_a_killed_worker_and_a_reload_keep_what_is_known(gatepost: System) -> None:
    said = ask(gatepost.fourth, "a@kept.test")
    assert said.endswith("again in 3600 seconds")
    for pid in gatepost.workers():
        os.kill(pid, signal.SIGKILL)
    again = wait_for(lambda: _try(gatepost.fourth, "a@kept.test"), "a new worker")
    assert "again in 3600" not in again or "missing" in gatepost.logged("early-retry", "a@kept.test")
    gatepost.logged("reason=early-retry (", "sender=a@kept.test")
    before = gatepost.log().count("sender=a@kept.test")
    gatepost.reload()
    wait_for(lambda: _try(gatepost.fourth, "a@kept.test"), "a reloaded worker")
    wait_for(lambda: gatepost.log().count("sender=a@kept.test") > before, "one more line")
    assert gatepost.log().count(f"reason=new, {_CLIENT}, sender=a@kept.test") <= 1  # the first line went with its worker


def _try(port: int, sender: str) -> str:
    try:
        return ask(port, sender)
    except (OSError, AssertionError):
        return ""


def test_lists_are_read_again_without_a_reload(gatepost: System) -> None:
    assert ask(gatepost.fourth, "a@lists.test", "later@example.net").startswith("DEFER_IF_PERMIT")
    (gatepost.folder / "recipients.local").write_text("later@\n")
    wait_for(lambda: ask(gatepost.fourth, "a@lists.test", "later@example.net") == "DUNNO", "the list is read again")


def test_the_command(gatepost: System) -> None:
    ask(gatepost.fourth, "bob@command.test", client="198.51.100.7")
    listed = gatepost.command("greylist", "list", "command.test").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  waiting      198\.51\.100\.0/bob@command\.test/b@example\.net\n", listed)
    shown = gatepost.command("greylist", "show", "198.51.100.200", "bob@command.test").stdout
    assert "    state: waiting\n" in shown
    assert gatepost.command("greylist", "show", "nobody.test").returncode == 1
    assert gatepost.command("greylist", "allow", "198.51.100.7").returncode == 0
    assert ask(gatepost.fourth, "eve@command.test", client="198.51.100.7") == "DUNNO"
    assert "allowed      198.51.100.7" in gatepost.command("greylist", "list", "198.51.100.7").stdout
    assert gatepost.command("greylist", "forget", "198.51.100.7").stdout == "2 forgotten\n"
    assert ask(gatepost.fourth, "eve@command.test", client="198.51.100.7").startswith("DEFER_IF_PERMIT")
    report = gatepost.command("greylist", "report").stdout
    assert re.search(r"\n +\d+ put off\n +\d+ came back and were let in", report)
    for wrong in (
        (),
        ("what",),
        ("allow",),
        ("forget",),
        ("show",),
        ("list", "-x"),
        ("report", "--days", "x"),
        ("allow", "nobody"),
    ):
        done = gatepost.command("greylist", *wrong)
        assert done.returncode in (1, 64), wrong
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("gatepost: fatal: ")


def test_what_a_stranger_sent_is_shown_escaped(gatepost: System) -> None:
    ask(gatepost.fourth, "\x1b[31m\x07\u202e@escape.test\udcff")
    shown = gatepost.command("greylist", "list").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[31m\\x07\\u202e@escape.test\\xff" in shown


def test_a_terminal_that_has_no_such_letters_gets_them_escaped(gatepost: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(gatepost.fourth, "gr\u00fc\u00dfe\u4e2d@letters.test")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    for command in ("list", "show"):
        done = gatepost.command("greylist", command, "letters.test")
        assert (done.returncode, done.stderr) == (0, "")
        assert "\\u4e2d@letters.test" in done.stdout


@pytest.mark.parametrize("options", [(), ("--privacy",)])
def test_postgrey_s_database_is_taken_over(gatepost: System, options: tuple[str, ...]) -> None:
    now = int(subprocess.run(["date", "+%s"], capture_output=True, text=True).stdout)
    here = "203.0.113.5"
    port, long = gatepost.fourth, f"{'x' * 450}@example.net"
    if options:
        gatepost.configure({"greylist_privacy": "yes"})
        gatepost.reload()
        wait_for(lambda: _hashed(gatepost), "greylist_privacy")
    try:
        with Postgrey(*options, "--auto-whitelist-clients=1") as postgrey:
            for age, sender, client in ((7200, "passed", here), (6800, "passed", here), (60, "waiting", "203.0.112.5")):
                postgrey.set_time(now - age)
                postgrey.ask(Sent(0, client, "unknown", f"{sender}-12@import.test", long, "1").request())
            postgrey.stop()
            done = gatepost.command("greylist", "import", str(postgrey.databases))
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines()[0].endswith("postgrey.db: 2 taken over, 0 known already, 0 too old")
            assert done.stdout.splitlines()[1].endswith("postgrey_clients.db: 1 taken over, 0 known already, 0 too old")
            again = gatepost.command("greylist", "import", str(postgrey.databases)).stdout
            assert "0 taken over, 2 known already" in again
            dumped = subprocess.run(["db_dump", str(postgrey.databases / "postgrey.db")], capture_output=True, text=True)
            with open(postgrey.databases / "postgrey.db", "rb") as file:
                ours = [octets.hex() for pair in pairs(file) for octets in pair]
            assert ours == [line.strip() for line in dumped.stdout.splitlines() if line.startswith(" ")]
        other = "203.0.113.99"
        assert ask(port, "passed-7@import.test", long, other) == "DUNNO"
        assert not ask(port, "waiting-7@import.test", long, "203.0.112.99").endswith("3600 seconds")
        assert "client 1 " in gatepost.command("greylist", "list").stdout
    finally:
        assert gatepost.command("greylist", "forget", "--all").returncode == 0
        gatepost.configure({"greylist_privacy": "no"})
        gatepost.reload()


def test_every_page_of_a_berkeley_db_is_read(tmp_path: Path) -> None:
    """As db_load writes them: large and small pages, either byte order, entries that need pages of their own."""
    dice = random.Random(1)
    expected = {}
    for number in range(3000):
        length = dice.choice((3000, 9000)) if number % 100 == 0 else dice.choice((5, 30, 60))
        key = b"%d" % number + bytes(dice.randrange(33, 91) for _ in range(length))
        expected[key] = b"%d,%d" % (number, number) if number % 50 else b"v" * dice.randrange(30000)
    text = b"".join(key + b"\n" + value + b"\n" for key, value in expected.items())
    for option in ("db_pagesize=4096", "db_pagesize=512", "db_pagesize=65536", "db_lorder=4321"):
        file = tmp_path / option
        subprocess.run(["db_load", "-T", "-t", "btree", "-c", option, str(file)], input=text, check=True)
        with file.open("rb") as opened:
            assert dict(pairs(opened)) == expected


def _hashed(system: System) -> bool:
    _try(system.fourth, "a@hashed.test")
    return bool(re.search(r"waiting +[0-9a-f]{40}\n", system.command("greylist", "list").stdout))


def test_a_file_that_is_no_database_is_named(gatepost: System, tmp_path: Path) -> None:
    (tmp_path / "postgrey.db").write_bytes(os.urandom(8192))
    (tmp_path / "postgrey_clients.db").write_bytes(b"")
    done = gatepost.command("greylist", "import", str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path}/postgrey.db: no B-tree and no hash of Berkeley DB" in done.stderr
    assert gatepost.command("greylist", "import", f"{tmp_path}/nowhere").stderr.endswith("nowhere: No such file or directory\n")


PAGE = Path(__file__).parents[2] / "docs" / "greylisting.md"


def test_every_command_of_the_page(tmp_path: Path) -> None:
    """In their order; 10023 may be taken here."""
    port = str(free_port())
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) >= 14
    with Postgrey() as postgrey, System(_MAIN, "127.0.0.1:{port} inet n - n - - smtpd\n") as one:
        postgrey.ask(Sent(START, "192.0.2.5", "unknown", "a@example.com", "b@example.net", "1").request())
        postgrey.stop()
        for name in ("clients", "recipients"):
            (one.folder / name).touch()
        for command in commands:
            if "list example.com" in command:
                wait_for(lambda: _try(int(port), "anna@example.com"), "the service")
            words = shlex.split(command.replace("10023", port).replace("/var/lib/postgrey", str(postgrey.databases)))
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stdout, done.stderr)
