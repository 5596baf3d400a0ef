"""postscreen in a running Gatepost with two workers: mail comes through, what was passed is known to all and after a restart, and
the page of the documentation is right."""

import re
import shlex
import socket
from pathlib import Path

from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

MASTER = (
    "127.0.0.1:{port} inet n - n - - smtpd\n"
    "127.0.0.1:{second} inet n - y - 1 postscreen\n"
    "smtpd pass - - y - - smtpd\ndnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy\n"
)
MAIN = {"postscreen_access_list": "", "postscreen_greet_wait": "1s"}
PAGE = Path(__file__).parents[2] / "docs" / "postscreen.md"


def send(client: Client, to: str) -> None:
    client.envelope("a@example.com", to)
    assert client.say("DATA")[0] == 354
    client.write(b"Subject: x\r\n\r\nbody\r\n.\r\n")
    assert client.reply()[0] == 250
    assert client.say("QUIT")[0] == 221


def test_mail_comes_through_and_the_client_is_known_to_all_workers_and_after_a_restart() -> None:
    with Sink() as sink, System(MAIN, MASTER, relay=sink.port) as system:
        with Client(system.second) as client:
            assert client.greeting[1].count("\n") == 1
            send(client, "first@example.net")
        system.logged("PASS NEW [127.0.0.1]:")
        for _ in range(8):
            with Client(system.second) as client:
                assert "\n" not in client.greeting[1]
        system.stop()
        system.start()
        with Client(system.second) as client:
            assert "\n" not in client.greeting[1]
            send(client, "second@example.net")
        wait_for(lambda: len(sink.taken) == 2, "two messages")
        pids = {line.partition("postscreen[")[2].partition("]")[0] for line in system.log().splitlines() if "PASS OLD" in line}
        assert len(pids) > 2, "more than one worker of each start has known it"
        assert system.audit().returncode == 0


def test_a_client_that_speaks_early_smuggles_nothing_past_smtpd() -> None:
    """With `ignore` all is smtpd's, which judges it as if it had come to it: here, as commands sent ahead."""
    said = b"EHLO a\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n"
    with System({**MAIN, "smtpd_forbid_unauth_pipelining": "yes"}, MASTER) as system:
        with socket.create_connection(("127.0.0.1", system.second), 20) as connection:
            connection.sendall(said)
            heard = b""
            while more := connection.recv(4096):
                heard += more
        assert b"\r\n354" not in heard
        assert heard.rpartition(b"\r\n554 ")[0].endswith(b"220 mail.example.test ESMTP Postfix"), heard
        system.logged("PREGREET")
        system.logged("improper command pipelining")


def test_without_a_server_for_those_that_pass_nothing_is_served() -> None:
    with System() as system:
        system.configure({}, "127.0.0.1:{port} inet n - n - 1 postscreen\n")
        refused = system.command("check")
        assert "postscreen has no service smtpd/pass for the clients that pass" in refused.stdout + refused.stderr


def test_every_command_of_the_page() -> None:
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 9
    with System({}, MASTER) as system:
        for command in commands:
            words = shlex.split(command)
            done = system.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stderr)
            assert "postscreen" not in done.stderr
        system.logged("reload")
        with Client(system.second) as client:
            assert client.greeting[0] == 220
