"""Duplicate acceptance and timing oracles: a client that is lost before it has the reply, and answers that tell who exists.

RFC 1047: whoever loses the reply to the end of data sends again. So the time between the end of data and the reply must be
short, a message must be either taken or not, whenever the connection ends, and what was acknowledged is delivered once.
"""

import contextlib
import itertools
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

_END = b"\r\n.\r\n"


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    main = {
        "mydestination": "local.example",
        "local_recipient_maps": "inline:{ {known = x}, {alias = x} }",
        "alias_maps": "inline:{ {alias = somebody@outside.example} }",
        "virtual_alias_domains": "virtual.example",
        "virtual_alias_maps": "inline:{ {known@virtual.example = somebody@outside.example} }",
        "smtpd_error_sleep_time": "0",
        "smtpd_hard_error_limit": "100000",
        "smtpd_soft_error_limit": "100000",
        "smtpd_junk_command_limit": "100000",
    }
    with System(main, relay=sink.port) as one:
        yield one


def _reset(client: Client) -> None:
    """Be gone at once, with a reset: as a client whose machine has died is."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client._file.close()
    client.socket.close()


def _shut(client: Client) -> None:
    client.close()


GOODBYES = {"closes": _shut, "resets": _reset}


@pytest.mark.parametrize("goodbye", GOODBYES)
def test_a_client_lost_anywhere_in_the_end_of_data(system: System, sink: Sink, goodbye: str) -> None:
    """Without the whole end there is no message. With it there is one, or none, never two."""
    names = []
    for cut in range(len(_END) + 1):
        name = f"lost-{goodbye}-{cut}"
        names.append(name)
        with system.client() as client:
            client.envelope()
            assert client.say("DATA")[0] == 354
            client.write(f"X-Id: {name}\r\n\r\nbody".encode() + _END[:cut])
            GOODBYES[goodbye](client)
    assert system.send("X-Id: fence\r\n\r\n")
    wait_for(lambda: not system.queue(), "an empty queue")
    ids = sink.ids()
    assert not [name for name in names[:-1] if ids.get(name)]
    assert ids.get(names[-1], 0) <= 1


def test_a_client_lost_at_every_octet_of_the_reply(system: System, sink: Sink) -> None:
    """It has read so much of the reply and is gone: the message is there, once, and said to be so in the log."""
    whole = len(b"250 2.0.0 Ok: queued as 4jYzVK4MZNz1\r\n")
    for read in range(whole):
        name = f"half-told-{read}"
        with system.client() as client:
            client.envelope()
            assert client.say("DATA")[0] == 354
            client.write(f"X-Id: {name}\r\n\r\nbody{_END.decode()}".encode())
            assert client.socket.recv(1, socket.MSG_PEEK)
            client.socket.recv(read)
            _reset(client)
    wanted = {f"half-told-{read}": 1 for read in range(whole)}
    wait_for(lambda: wanted.items() <= sink.ids().items(), lambda: f"{wanted.keys() - sink.ids().keys()}")
    wait_for(lambda: not system.queue(), "an empty queue")
    assert {name: count for name, count in sink.ids().items() if name in wanted} == wanted


def test_pipelined_messages_before_a_lost_connection(system: System, sink: Sink) -> None:
    """Of what a client sends in one go and does not wait for, each message is whole and once, or not there."""
    mail = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n"
    contents = [b"X-Id: piped-%d\r\n\r\nbody\r\n" % number for number in range(20)]
    octets = b"".join(mail + b"BDAT %d LAST\r\n" % len(content) + content for content in contents)
    for cut in (len(octets), len(octets) - 1, len(octets) // 2, len(octets) // 3):
        with system.client() as client:
            client.say("EHLO client.example.com")
            client.write(octets[:cut])
            _shut(client)
    assert system.send("X-Id: fence-2\r\n\r\n")
    wait_for(lambda: sink.ids().get("fence-2"), "the fence")
    wait_for(lambda: not system.queue(), "an empty queue")
    for message in sink.taken:
        if b"X-Id: piped-" in message.content:
            assert message.content.endswith(b"body\r\n")
    assert all(sink.ids().get(f"piped-{number}", 0) <= 4 for number in range(20))


def test_the_reply_does_not_wait_for_the_delivery(sink: Sink) -> None:
    """RFC 1047 §2: the sooner the reply, the fewer duplicates. A next hop that takes its time is none of the client's business."""
    with Sink(delay=3.0) as slow, System(relay=slow.port) as system:
        begun = time.monotonic()
        for _ in range(5):
            assert system.send()
        assert time.monotonic() - begun < 2.0
        assert not slow.taken


def test_a_refusal_after_the_end_of_data_stays_one(system: System, sink: Sink) -> None:
    """The same message sent again and again while nothing is acknowledged leaves nothing behind."""
    before = system.queue()
    for _ in range(10):
        with system.client() as client:
            client.envelope()
            assert client.say("DATA")[0] == 354
            client.write(b"Received: x\r\n" * 60 + b"X-Id: refused\r\n\r\nbody" + _END)
            assert client.reply()[0] == 554
    assert system.queue() == before
    assert not sink.ids().get("refused")


# --- timing ---


def _times(client: Client, lines: tuple[str, str], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds that the answers to two commands take, asked in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for line, list_ in itertools.islice(itertools.cycle(zip(lines, found, strict=True)), rounds * 2):
        begun = time.perf_counter()
        client.say(line)
        list_.append(time.perf_counter() - begun)
    return found


ORACLES = {
    "a user": ("VRFY known@local.example", "VRFY unknown@local.example"),
    "an alias": ("RCPT TO:<alias@local.example>", "RCPT TO:<unknown@local.example>"),
    "a virtual alias": ("RCPT TO:<known@virtual.example>", "RCPT TO:<unknown@virtual.example>"),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_time_of_an_answer_tells_nothing_that_the_answer_does_not(system: System, name: str) -> None:
    """Who exists is said openly by RCPT; what is looked for here is a delay that an attacker could use from far away."""
    with system.client() as client:
        client.say("EHLO client.example.com")
        client.say("MAIL FROM:<a@example.com>")
        known, unknown = _times(client, ORACLES[name], 300)
    assert abs(statistics.median(known) - statistics.median(unknown)) < 0.001


def test_a_crowd_of_clients_lost_at_once_leaves_each_message_once(sink: Sink, system: System) -> None:
    """All connections are cut between the end of data and the reply, as by a firewall that restarts."""
    clients = []
    for _ in range(30):
        client = system.client()
        client.envelope()
        assert client.say("DATA")[0] == 354
        clients.append(client)
    threads = [threading.Thread(target=_end_and_vanish, args=(client, n)) for n, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert system.send("X-Id: fence-3\r\n\r\n")
    wait_for(lambda: sink.ids().get("fence-3"), "the fence")
    wait_for(lambda: not system.queue(), "an empty queue")
    assert {count for name, count in sink.ids().items() if name.startswith("crowd-")} <= {1}
    assert system.audit().returncode == 0


def _end_and_vanish(client: Client, number: int) -> None:
    with contextlib.suppress(OSError):
        client.write(f"X-Id: crowd-{number}\r\n\r\nbody{_END.decode()}".encode())
    _reset(client)
