"""info_log_address_format and delay_logging_resolution_limit: lines as Postfix writes them."""

import re
import smtplib

import pytest

from tests.integration.postfix import Postfix
from tests.support.running import System
from tests.support.sink import Sink

SENDER, RECIPIENT, REFUSED = '"a b"@sender.example', '"c d"@other.example', '"e f"@refused.example'
MAIN = {
    "inet_protocols": "ipv4",
    "smtp_host_lookup": "native",
    "smtpd_recipient_restrictions": "check_recipient_access inline:{refused.example=REJECT}, permit_mynetworks, reject",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "header_checks": "regexp:{{/^Subject: x/ WARN seen}}",
}
_LINES = ("NOQUEUE: reject: RCPT", "warning: header Subject", "(queue active)", "status=sent")


def _send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
        client.ehlo()
        client.docmd(f"MAIL FROM:<{SENDER}>")
        client.docmd(f"RCPT TO:<{REFUSED}>")
        client.docmd(f"RCPT TO:<{RECIPIENT}>")
        client.data("Subject: x\r\n\r\nx\r\n")


def _parties(line: str) -> list[str]:
    return re.findall(r"(?:from|to)=<.*?>", line)


@pytest.mark.parametrize("form", ["external", "internal"])
def test_addresses_are_written_as_in_postfix(form: str) -> None:
    main = MAIN | {"info_log_address_format": form, "delay_logging_resolution_limit": "0"}
    with Sink() as sink:
        route = {"transport_maps": f"inline:{{other.example=smtp:[127.0.0.1]:{sink.port}}}"}
        with System(main | route) as ours:
            _send(ours.port)
            found = {text: ours.logged(text) for text in _LINES}
        theirs = Postfix("".join(f"{name} = {value}\n" for name, value in (main | route).items()))
        try:
            _send(theirs.port)
            expected = {text: theirs.logged(text) for text in _LINES}
        finally:
            theirs.clean()
    for text in _LINES:
        assert _parties(found[text]) == _parties(expected[text]), text
    assert re.search(r"delays=\d+/\d+/\d+/\d+,", found["status=sent"])
    assert re.search(r"delays=\d+/\d+/\d+/\d+,", expected["status=sent"])
