"""Milters of an smtpd whose mail goes through a filter before the queue: they judge the session, and never see the content; as in
Postfix, whose replies and steps are the same."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.milters import ACCEPT, DISCARD, REJECT, TEMPFAIL, ScriptedFilter
from tests.support.running import MASTER, Client, System, wait_for
from tests.support.scripted import Script, ScriptedServer

CASES = {
    "continue": {},
    "accept at MAIL": {"M": ACCEPT},
    "discard at MAIL": {"M": DISCARD},
    "reject at RCPT": {"R": REJECT},
    "discard at RCPT": {"R": DISCARD},
    "tempfail at DATA": {"T": TEMPFAIL},
    "discard at DATA": {"T": DISCARD},
}
_MAIN = "smtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\n"
_STEPS = "CHMRTLNBE"


@contextlib.contextmanager
def _postfix(line: str) -> Iterator[None]:
    postfix = Postfix(_MAIN, line)
    try:
        yield
    finally:
        postfix.clean()


@contextlib.contextmanager
def _gatepost(line: str) -> Iterator[None]:
    with System({"myhostname": "next.example.net"}, MASTER + line):
        yield


def _meet(system: Callable[[str], Any], answers: dict[str, bytes]) -> tuple[list[int], list[str], list[list[str]]]:
    """Codes that the client hears, steps that the milter sees, commands that the filter gets."""
    port, milter = free_port(), ScriptedFilter(answers)
    with ScriptedServer(Script.of(""), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as taking, contextlib.ExitStack() as stack:
        stack.callback(milter.stop)
        options = f"-o smtpd_proxy_filter=127.0.0.1:{taking.port} -o smtpd_milters={milter.name}"
        stack.enter_context(system(f"127.0.0.1:{port} inet n - n - - smtpd {options}\n"))
        with Client(port) as client:
            says = ("EHLO client.example", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "DATA")
            codes = [client.say(line)[0] for line in says]
            if codes[-1] == 354:
                codes.append(client.say("Subject: x\r\n\r\nbody\r\n.")[0])
            client.say("QUIT")
        wait_for(lambda: taking.over == len(taking.commands), "an end")
        return codes, [letter for letter, _ in milter.told(_STEPS)], taking.commands


@pytest.mark.parametrize("name", CASES)
def test_they_judge_the_session_as_in_postfix(name: str) -> None:
    ours, theirs = (_meet(system, CASES[name]) for system in (_gatepost, _postfix))
    assert ours == theirs
    assert not set(ours[1]) & set("LNBE")
