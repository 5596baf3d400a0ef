"""What sendmail(1) hands in: SMTPUTF8 where the message needs it, headers untouched where they are others'."""

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

_UTF8 = (b"PIPELINING", b"8BITMIME", b"SMTPUTF8")


def _sent(system: System, text: str, *options: str) -> None:
    done = system.command("sendmail", "-f", "a@example.com", *options, "b@example.net", input=text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("classes", "said"), [("sendmail, verify", True), ("", False)])
def test_a_header_beyond_ascii_is_sent_as_smtputf8_where_its_class_is_looked_at(classes: str, said: bool) -> None:
    with Sink(keywords=_UTF8) as sink, System({"smtputf8_autodetect_classes": classes}, relay=sink.port) as system:
        _sent(system, "X-Id: odd\nSubject: caf\u00e9\n\nx\n")
        wait_for(lambda: sink.ids().get("odd"), lambda: system.log()[-5000:])
        _sent(system, "X-Id: plain\nSubject: cafe\n\ncaf\u00e9\n")
        wait_for(lambda: sink.ids().get("plain"), lambda: system.log()[-5000:])
        mail = [line for line in sink.commands if line.startswith(b"MAIL")]
        assert [line.endswith(b" SMTPUTF8") for line in mail] == [said, False]


def test_where_smtputf8_is_not_offered_the_message_is_returned() -> None:
    with Sink() as sink, System(relay=sink.port) as system:
        _sent(system, "X-Id: odd\nSubject: caf\u00e9\n\nx\n")
        system.logged("to=<b@example.net>", "dsn=5.6.7", "status=bounced", "SMTPUTF8 is required, but was not offered by host")
        assert not sink.ids().get("odd")


def test_a_gateway_s_headers_are_left_alone() -> None:
    with Sink() as sink, System({"append_at_myorigin": "yes", "myorigin": "here.example"}, relay=sink.port) as system:
        _sent(system, "X-Id: own\nFrom: me\nTo: you\n\nx\n")
        _sent(system, "X-Id: others\nFrom: me\nTo: you\n\nx\n", "-G")
        wait_for(lambda: len(sink.ids()) == 2, lambda: system.log()[-5000:])
        own, others = (
            next(message.content for message in sink.taken if f"X-Id: {name}\r\n".encode() in message.content)
            for name in ("own", "others")
        )
        assert b"From: me@here.example\r\n" in own and b"\r\nMessage-Id: " in own and b"\r\nDate: " in own
        assert b"\r\nFrom: me\r\nTo: you\r\n" in others
        assert b"Message-Id: " not in others and b"\r\nDate: " not in others
