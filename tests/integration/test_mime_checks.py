"""Which table judges which line of a message (header_checks(5)), beside Debian's Postfix: every table here warns of all that it is
shown. What Postfix shows a table, Gatepost shows it; of the
messages of mime_more.txt it shows more, on purpose."""

import re
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.support.running import System, wait_for

_PATTERNS = {"header_checks": "primary", "mime_header_checks": "mime", "nested_header_checks": "nested", "body_checks": "body"}


_HERE = Path(__file__).parent
_TIMES = re.compile(r"\{(.)\*(\d+)\}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(\\))")


def _messages(name: str) -> dict[str, bytes]:
    """The messages of a file, by their names, in wire form."""
    found = {}
    for case in (_HERE / name).read_text().split("\n=== ")[1:]:
        title, _, text = case.partition("\n")
        text = _TIMES.sub(lambda match: match[1] * int(match[2]), text.removesuffix("\n"))
        text = _ESCAPE.sub(lambda match: match[2] or chr(int(match[1], 16)), text)
        found[title] = text.replace("\n", "\r\n").encode() + b"\r\n"
    return found


ALIKE = _messages("mime_alike.txt")
MORE = _messages("mime_more.txt")

_LINE = re.compile(
    r": (?P<id>[^:]+): warning: (?P<kind>header|body) (?P<text>.*) from (?:localhost|unknown)\[127.*: (?P<table>\w+)$"
)


def _tables(folder: str) -> str:
    return "".join(f"{name} = regexp:{folder}/{name}\n" for name in _PATTERNS)


def _seen(send_to: int, log: Callable[[], str], content: bytes) -> "Shown":
    """(table, text) of all that the tables were shown, in order; but our own trace header."""
    with smtplib.SMTP("127.0.0.1", send_to, timeout=20) as client:
        client.ehlo("client.example.com")
        client.mail("a@example.com")
        client.rcpt("b@example.net")
        reply = client.data(content)[1].decode()
    queue_id = reply.rpartition("queued as ")[2]
    assert queue_id != reply, reply
    wait_for(lambda: f" {queue_id}: from=<" in log(), f"{queue_id} queued")
    found = [match for line in log().splitlines() if (match := _LINE.search(line)) and match["id"] == queue_id]
    # Postfix's text ends at a NUL, ours goes on.
    shown = [(match["table"], match["text"].partition("?")[0][:60]) for match in found]
    return [(table, text) for table, text in shown if text and not text.startswith("Received:")]


Shown = list[tuple[str, str]]
Both = Callable[[bytes], tuple[Shown, Shown]]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """What Postfix shows its tables of a message, and what Gatepost does."""
    reference = Postfix()
    try:
        folder = reference.folder
        for name, said in _PATTERNS.items():
            (folder / name).write_text(f"/^/ WARN {said}\n")
        with open(folder / "conf/main.cf", "a") as file:
            file.write(_tables(str(folder)) + "default_transport = discard:\nvirtual_transport = discard:\n")
        with open(folder / "conf/master.cf", "a") as file:
            file.write("discard unix - - n - - discard\n")
        reference._run("reload")
        main = {name: f"regexp:{folder}/{name}" for name in _PATTERNS} | {"default_transport": "discard:"}
        with System(main=main) as gatepost:
            yield lambda content: (
                _seen(reference.port, lambda: reference.log, content),
                _seen(gatepost.port, gatepost.log, content),
            )
    finally:
        reference.clean()


@pytest.mark.parametrize("name", ALIKE)
def test_shown_alike(both: Both, name: str) -> None:
    wanted, got = both(ALIKE[name])
    assert got == wanted


@pytest.mark.parametrize("name", MORE)
def test_shown_more(both: Both, name: str) -> None:
    """A line that Postfix takes for body text is taken for a header here; none is left out."""
    wanted, got = both(MORE[name])
    assert {text for _, text in wanted} <= {text for _, text in got}
    assert got != wanted
