"""`flags=DORX` of the smtp service: what the next hop gets, and what a sender who asked is told, beside Debian's Postfix."""

import re
import smtplib

import pytest

from tests.integration.postfix import Postfix
from tests.support.running import System, wait_for
from tests.support.sink import Sink

_MASTER = "flagged unix - - n - - smtp flags={flags}\n"


def _main(sink: Sink) -> dict[str, str]:
    return {
        "default_transport": f"flagged:[127.0.0.1]:{sink.port}",
        "flagged_destination_recipient_limit": "1",
        "virtual_alias_maps": "inline:{for@alias.example=to@there.example}",
        "virtual_alias_domains": "alias.example",
    }


def _send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@example.com", ["for@alias.example"], "Subject: x\r\n\r\nbody\r\n", rcpt_options=["NOTIFY=SUCCESS"])
        client.sendmail("a@example.com", ["direct@there.example"], "Subject: y\r\n\r\nbody\r\n", rcpt_options=["NOTIFY=SUCCESS"])
        client.sendmail("a@example.com", ["for@alias.example"], "Delivered-To: TO@there.example\r\nSubject: loop\r\n\r\nx\r\n")


def _heard(sink: Sink) -> list[list[str]]:
    """The headers on top of what was taken, up to the first `Received`, and the actions that notices tell, in any order."""
    texts = [message.content.decode() for message in sink.taken]
    tops = (text.partition("Received:")[0].splitlines() for text in texts)
    return sorted([*top, *re.findall(r"^Action: \w+", text, re.MULTILINE)] for top, text in zip(tops, texts, strict=True))


def _taken(sink: Sink) -> list[list[str]]:
    wait_for(lambda: len(sink.taken) >= 5, lambda: f"five messages, not {sink.taken}")
    return _heard(sink)


@pytest.mark.parametrize("flags", ["DOR", "OR"])
def test_the_next_hop_gets_what_it_gets_from_postfix(flags: str) -> None:
    with Sink() as ours, System(_main(ours), "127.0.0.1:{port} inet n - n - - smtpd\n" + _MASTER.format(flags=flags)) as system:
        _send(system.port)
        heard = _taken(ours)
    with Sink() as theirs:
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in _main(theirs).items()), _MASTER.format(flags=flags))
        try:
            _send(postfix.port)
            assert heard == _taken(theirs)
        finally:
            postfix.clean()


def test_final_delivery_is_told_as_such() -> None:
    """As smtp(8) says; Postfix 3.7.11 goes on telling `relayed`."""
    with Sink() as sink, System(_main(sink), "127.0.0.1:{port} inet n - n - - smtpd\n" + _MASTER.format(flags="X")) as system:
        _send(system.port)
        assert ["Action: delivered"] in _taken(sink)
