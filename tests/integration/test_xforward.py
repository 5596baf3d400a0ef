"""XFORWARD SOURCE says whether a client's mail is ours, whatever address it comes from: headers are completed as Postfix does
(XFORWARD_README, local_header_rewrite_clients)."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.integration.postfix import Postfix
from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

_MAIN = {
    "smtpd_authorized_xforward_hosts": "127.0.0.0/8",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "local_header_rewrite_clients": "check_address_map inline:{127.0.0.1=ours}",
    "mynetworks": "127.0.0.0/8",
    "myorigin": "origin.example",
    "append_dot_mydomain": "no",
}
_OURS, _OTHERS = "127.0.0.1", "127.0.0.9"
CASES = {
    f"{where}, {what}": (address, command)
    for where, address in (("ours", _OURS), ("other's", _OTHERS))
    for what, command in {
        "nothing told": "",
        "remote": "XFORWARD SOURCE=REMOTE",
        "local": "XFORWARD SOURCE=LOCAL",
        "lower case": "XFORWARD SOURCE=remote",
        "lower case local": "XFORWARD source=local",
        "unavailable": "XFORWARD SOURCE=[UNAVAILABLE]",
        "for now unavailable": "XFORWARD SOURCE=[TEMPUNAVAIL]",
        "name only": "XFORWARD NAME=spike.example ADDR=192.0.2.1",
        "remote among others": "XFORWARD NAME=spike.example ADDR=192.0.2.1 PROTO=ESMTP SOURCE=REMOTE",
        "local among others": "XFORWARD NAME=spike.example ADDR=192.0.2.1 PROTO=ESMTP SOURCE=LOCAL",
        "remote, then local": "XFORWARD SOURCE=REMOTE\r\nXFORWARD SOURCE=LOCAL",
        "remote, then name": "XFORWARD SOURCE=REMOTE\r\nXFORWARD NAME=spike.example",
        "bad": "XFORWARD SOURCE=ELSEWHERE",
        "empty": "XFORWARD SOURCE=",
        "remote, then unavailable": "XFORWARD SOURCE=REMOTE\r\nXFORWARD SOURCE=[UNAVAILABLE]",
        "local, then unavailable": "XFORWARD SOURCE=LOCAL\r\nXFORWARD SOURCE=[UNAVAILABLE]",
        "bad name": "XFORWARD NAME=a..b",
        "numeric name": "XFORWARD NAME=192.0.2.1",
        "bad address": "XFORWARD ADDR=192.0.2.x",
        "bad port": "XFORWARD PORT=70000",
        "empty name": "XFORWARD NAME=",
        "empty, for XCLIENT": "XCLIENT NAME=",
        **{f"{name} for now": f"XFORWARD {name}=[TEMPUNAVAIL]" for name in ("NAME", "ADDR", "PORT", "HELO", "PROTO", "IDENT")},
        **{
            f"{name} in lower case": f"XFORWARD {name}=[unavailable]" for name in ("NAME", "ADDR", "PORT", "HELO", "PROTO", "IDENT")
        },
    }.items()
}


class Way:
    """One mail system before a sink."""

    def __init__(self, port: int, sink: Sink) -> None:
        self._port, self._sink = port, sink

    def meet(self, name: str) -> list[str]:
        """Replies to the commands of a case, and the From of the message that follows, and of another after that."""
        address, commands = CASES[name]
        with contextlib.closing(Client(self._port, source=address)) as client:
            client.say("EHLO client.example")
            told = [f"{client.say(command)}" for command in commands.split("\r\n") if command]
            for number in range(2):
                mark = f"{name} {number}"
                client.say("MAIL FROM:<a@example.com>")
                client.say("RCPT TO:<b@example.net>")
                client.say("DATA")
                assert client.say(f"X-Mark: {mark}.\r\nFrom: user\r\n\r\nbody\r\n.")[0] == 250
                told.append(self._from_of(f"X-Mark: {mark}.".encode()))
        return told

    def _from_of(self, mark: bytes) -> str:
        found: Callable[[], bytes] = lambda: next((m.content for m in list(self._sink.taken) if mark in m.content), b"")  # noqa: E731
        lines = wait_for(found, f"{mark!r} relayed").split(b"\r\n")
        return next(line for line in lines if line.lower().startswith(b"from:")).decode()


@pytest.fixture(scope="module")
def theirs() -> Iterator[Way]:
    """Postfix."""
    with Sink() as sink:
        main = {**_MAIN, "relayhost": f"[127.0.0.1]:{sink.port}", "virtual_mailbox_domains": ""}
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in main.items()))
        try:
            yield Way(postfix.port, sink)
        finally:
            postfix.clean()


@pytest.fixture(scope="module")
def ours() -> Iterator[Way]:
    """Gatepost."""
    with Sink() as sink, System(_MAIN, relay=sink.port) as system:
        yield Way(system.port, sink)


@pytest.mark.parametrize("name", CASES)
def test_headers_are_completed_as_by_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.meet(name) == theirs.meet(name)
