"""qmqpd in a running Gatepost, beside Debian's Postfix: what clients hear is the same, and what they hand in arrives."""

import re
import socket
import subprocess

from tests.integration.ports import listens
from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink

_MAIN = {
    "qmqpd_authorized_clients": "127.0.0.1",
    "qmqpd_error_delay": "0s",
    "qmqpd_timeout": "5s",
    "message_size_limit": "20000",
    "virtual_mailbox_limit": "0",
    "mailbox_size_limit": "0",
    "header_checks": "regexp:{{/^Subject: bad/ REJECT no way}}",
}
_LINES = "127.0.0.1:{second} inet n - n - - qmqpd\n127.0.0.1:{third} inet n - n - - qmqpd -o qmqpd_authorized_clients=\n"


def netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def packet(message: bytes, *addresses: bytes) -> bytes:
    return netstring(netstring(message) + b"".join(map(netstring, addresses)))


HI = b"Subject: x\n\nhi\n"
SENT = {
    "a message": packet(HI, b"a@b.test", b"x@example.net"),
    "no recipients": packet(HI, b"a@b.test"),
    "no sender": packet(HI),
    "what cleanup refuses": packet(b"Subject: bad\n\nhi\n", b"a@b.test", b"x@example.net"),
    "too large": packet(b"Subject: x\n\n" + b"hi\n" * 10000, b"a@b.test", b"x@example.net"),
    "a long address": packet(HI, b"a@b.test", b"x" * 5000),
    "another protocol": b"HELO x\r\n",
    "an empty packet": b"0:,",
    "a huge length": b"9" * 20 + b":",
    "a comma that is missing": b"10:4:abcd,1:ax,",
    "what goes on": packet(HI, b"a@b.test", b"x@example.net") + b"xxx",
}


def answer(port: int, octets: bytes) -> str:
    """What a client hears, less the queue id."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        try:
            client.sendall(octets)
            while part := client.recv(9999):
                heard += part
        except ConnectionResetError:
            pass  # there was more than it wanted to read
    return re.sub(r"^\d+:(KOk: queued as )\w+,$", r"\1ID", heard.decode())


def test_clients_hear_what_they_hear_from_postfix() -> None:
    theirs, strange = free_port(), free_port()
    main = "".join(f"{name} = {value}\n" for name, value in _MAIN.items())
    postfix = Postfix(main, _LINES.format(second=theirs, third=strange))
    try:
        wait_for(lambda: listens(theirs) and listens(strange), "Postfix's qmqpd")
        expected = {name: answer(theirs, octets) for name, octets in SENT.items()}
        stranger = answer(strange, SENT["a message"])
    finally:
        postfix.clean()
    with Sink() as sink, System({**_MAIN, "smtpd_peername_lookup": "yes"}, MASTER + _LINES, relay=sink.port) as system:
        assert {name: answer(system.second, octets) for name, octets in SENT.items()} == expected
        assert answer(system.third, SENT["a message"]) == stranger
        wait_for(lambda: len(sink.taken) == 2, system.log)
        system.logged("client=localhost[127.0.0.1]")
    assert b" with QMQP id " in sink.taken[0].content and sink.taken[0].content.endswith(b"\r\n\r\nhi\r\n")


def test_the_load_generator_of_postfix() -> None:
    with Sink() as sink, System(_MAIN, MASTER + _LINES, relay=sink.port) as system:
        options = "-s 5 -m 40 -l 3000 -f a@b.test -t x@y.test".split()
        command = ["qmqp-source", *options, f"127.0.0.1:{system.second}"]
        subprocess.run(command, check=True, timeout=60)
        wait_for(lambda: len(sink.taken) == 40, system.log)
    assert all(taken.recipients == [b"<x@y.test>"] and len(taken.content) > 3000 for taken in sink.taken)
