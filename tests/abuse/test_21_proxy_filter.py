"""Classes 2, 21 and 22 for filters before the queue: one that stalls under many clients, content and commands that would be more to
a filter than they are to us, replies that would be lines of the log."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from tests.support.running import MASTER, Client, System, wait_for
from tests.support.scripted import Script, ScriptedServer

_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")
CLIENTS = 30
_BIG = b"x" * 998 + b"\r\n"


@contextlib.contextmanager
def stalling() -> Iterator[int]:
    """The port of a filter that takes no content."""
    held: list[socket.socket] = []

    def hold(connection: socket.socket) -> None:
        held.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(b"220 filter\r\n")
            while not (said := connection.recv(2000)).startswith(b"DATA"):
                connection.sendall(b"250 ok\r\n" if said else b"")
            connection.sendall(b"354 go\r\n")

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=hold, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
    for connection in held:
        connection.close()


def _line(port: int, *options: str) -> str:
    return MASTER + f"127.0.0.1:{{second}} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{port} {' '.join(options)}\n"


@pytest.mark.parametrize("slowly", ["", "-o smtpd_proxy_options=speed_adjust"])
def test_a_filter_that_stalls_holds_back_its_own_clients_only(slowly: str) -> None:
    main = {"worker_processes": "1", "helper_failure_limit": "0", "virtual_mailbox_domains": "example.net"}
    with (
        stalling() as port,
        System(main, _line(port, "-o smtpd_proxy_timeout=4s", slowly)) as system,
        contextlib.ExitStack() as stack,
    ):
        before = system.resident()
        clients = [stack.enter_context(Client(system.second, 60)) for _ in range(CLIENTS)]
        for client in clients:
            client.envelope()
            assert client.say("DATA")[0] == 354
        senders = [threading.Thread(target=client.write, args=(_BIG * 4000 + b".\r\n",)) for client in clients]
        for sender in senders:
            sender.start()
        with system.client() as other:
            other.envelope()
        assert system.resident() < before + CLIENTS * 1_500_000
        assert {client.reply() for client in clients} == {(451, "4.3.0 Error: queue file write error")}
        for sender in senders:
            sender.join()
        assert clients[0].say("NOOP")[0] == 250
        assert not [file for file in system.spool.rglob("*") if file.is_file() and file.stat().st_size > 1_000_000]
        assert system.queue() == []


def _filter(script: str) -> ScriptedServer:
    return ScriptedServer(Script.of(script), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n..\r\n", b"\n..\n", b"\r\n.\0\r\n")


@pytest.mark.parametrize("slowly", ["", "-o smtpd_proxy_options=speed_adjust"])
@pytest.mark.parametrize("piece", [0, 1])
def test_a_message_is_one_message_for_the_filter(slowly: str, piece: int) -> None:
    """Whatever looks like the end of one somewhere else."""
    strict = {"smtpd_forbid_bare_newline_exclusions": ""}
    with _filter("") as taking, System(strict, _line(taking.port, slowly)) as system:
        for end in _ENDS:
            with system.client(system.second) as client:
                client.envelope()
                client.say("DATA")
                client.write(b"Subject: outer\r\n\r\nbody" + end + b"MAIL FROM:<evil@b.test>\r\nDATA\r\n.\r\n", piece=piece)
                assert client.reply()[0] == 250
        wait_for(lambda: taking.over == len(_ENDS), "ends")
        assert [commands[1:] for commands in taking.commands] == [
            ["MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "DATA", "QUIT"]
        ] * len(_ENDS)
        for content in taking.contents:
            assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
            assert b"evil@b.test" in content


@pytest.mark.parametrize(
    "line",
    [
        b"RCPT TO:<b@example.net>\rRCPT TO:<c@example.net>",
        b"RCPT TO:<b@example.net> \rDATA",
        b'RCPT TO:<"a\rDATA"@example.net>',
        b"RCPT TO:<b@example.net>\0 NOTIFY=NEVER",
        b'RCPT TO:<"\\\r\\\n"@example.net>',
    ],
)
def test_a_command_is_one_command_for_the_filter(line: bytes) -> None:
    with _filter("") as taking, System({}, _line(taking.port)) as system:
        with system.client(system.second) as client:
            client.say("EHLO client.example")
            client.say("MAIL FROM:<a@example.com>")
            client.say(line)
            client.say("RSET")
        wait_for(lambda: taking.over == len(taking.commands), "an end")
        for commands in taking.commands:
            assert [command.partition(" ")[0] for command in commands] in (
                ["EHLO", "MAIL", "RCPT", "QUIT"],
                ["EHLO", "MAIL", "QUIT"],
            )
            assert not any("\r" in command or "\0" in command for command in commands)


def test_a_reply_writes_no_lines() -> None:
    script = "DOT: 550-5.7.1 a\\x1b[2J\\x00\\rNov 1 00:00:00 mail postfix/smtpd[1]: forged\nDOT: 550 5.7.1 end"
    with _filter(script) as taking, System({}, _line(taking.port)) as system:
        with system.client(system.second) as client:
            client.envelope()
            client.say("DATA")
            code, text = client.say("body\r\n.")
            assert code == 550
            assert text.isascii()
            assert not set(text) & set("\x1b\0\r")
        system.logged("proxy-reject: END-OF-MESSAGE: 550")
        assert all(map(_LINE.match, system.log().splitlines()))
