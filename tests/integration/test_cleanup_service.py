"""cleanup_service_name: a submission service whose mail goes through a cleanup line of its own."""

from tests.support.running import System
from tests.support.sink import Sink

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - smtpd
  -o cleanup_service_name=strip
strip unix n - n - 0 cleanup
  -o header_checks=regexp:{{/^X-Secret:/ IGNORE}}
  -o virtual_alias_maps=inline:{{b@example.net=c@example.net}}
  -o syslog_name=postfix/strip
"""
_TEXT = "X-Secret: 1\r\nSubject: t\r\n\r\nx\r\n"


def test_each_service_has_its_own() -> None:
    with Sink() as sink, System(relay=sink.port, master=_MASTER, main={"virtual_alias_maps": ""}) as gatepost:
        assert gatepost.send(_TEXT)
        gatepost.logged("to=<b@example.net>", "status=sent")
        with gatepost.client(gatepost.second) as client:
            client.envelope("a@example.com", "b@example.net")
            assert client.say("DATA")[0] == 354
            assert client.say(f"{_TEXT}.")[0] == 250
        gatepost.logged("to=<c@example.net>, orig_to=<b@example.net>", "status=sent")
        gatepost.logged("postfix/strip/cleanup[", "message-id=")
        plain, stripped = sink.taken
        assert b"X-Secret" in plain.content
        assert b"X-Secret" not in stripped.content
