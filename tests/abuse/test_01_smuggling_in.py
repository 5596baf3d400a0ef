"""SMTP smuggling (CVE-2023-51764 and its kind): an end of data that is none must never let a second message in.

The content holds, after an ending that only a careless receiver takes for one, the commands of a second message. It must arrive
as one message, or be refused as one.
"""

import itertools
from collections.abc import Iterator

import pytest

from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

CR, LF, DOT, NUL = b"\r", b"\n", b".", b"\0"
_BEFORE = (CR + LF, LF, CR, CR + CR + LF, NUL + LF, CR + NUL + LF, LF + NUL, LF + CR)
_AFTER = (CR + LF, LF, CR, CR + CR + LF, NUL + CR + LF, CR + NUL + LF, LF + CR)
_DOTS = (CR + LF + b".." + LF, LF + b".." + CR + LF, CR + LF + b". " + CR + LF, CR + LF + b"\x2e\x00" + CR + LF)
_TRUE = CR + LF + DOT + CR + LF
_COMBINED = (before + DOT + after for before, after in itertools.product(_BEFORE, _AFTER))
ENDINGS = [ending for ending in (*_COMBINED, *_DOTS) if _TRUE not in ending]

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - lmtpd
"""
_SMUGGLED = b"MAIL FROM:<smuggler@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"


@pytest.fixture(scope="module", params=["yes", "normalize", "reject"])
def system(request: pytest.FixtureRequest, sink: Sink) -> Iterator[System]:
    main = {"smtpd_forbid_bare_newline": request.param, "smtpd_forbid_bare_newline_exclusions": "", "smtpd_hard_error_limit": "100"}
    with System(main, _MASTER, relay=sink.port) as one:
        yield one


@pytest.fixture(scope="module")
def plain(sink: Sink) -> Iterator[System]:
    """A system that offers neither pipelining nor chunking, and tolerates what comes too early."""
    main = {
        "smtpd_discard_ehlo_keywords": "pipelining, chunking",
        "smtpd_forbid_unauth_pipelining": "no",
        "smtpd_forbid_bare_newline_exclusions": "",
    }
    with System(main, relay=sink.port) as one:
        yield one


def _number() -> Iterator[bytes]:
    for number in itertools.count(1):
        yield b"case-%d-" % number


_numbers = _number()


def _one_message_or_none(client: Client, sink: Sink, ending: bytes, piece: int) -> None:
    name = next(_numbers)
    client.write(b"X-Id: " + name + b"\r\n\r\nbody" + ending + _SMUGGLED, piece=piece)
    client.write(b"QUIT\r\n")
    codes = client.all_replies()
    taken = codes.count(250)
    assert taken <= 1, codes
    assert 354 not in codes, codes
    if taken:
        wait_for(lambda: sink.count(name) == 1, "the message at the next hop")
        (message,) = [one for one in sink.taken if name in one.content]
        assert message.sender.startswith(b"<a@example.com>")
    else:
        assert codes[0] // 100 == 5, codes
    assert not [one for one in sink.taken if b"smuggler" in one.sender]


@pytest.mark.parametrize("piece", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_data(system: System, sink: Sink, ending: bytes, piece: int) -> None:
    with system.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        _one_message_or_none(client, sink, ending, piece)


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_lmtp(system: System, sink: Sink, ending: bytes) -> None:
    with system.client(system.second) as client:
        client.envelope(hello="LHLO")
        assert client.say("DATA")[0] == 354
        _one_message_or_none(client, sink, ending, 0)


@pytest.mark.parametrize("piece", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_without_pipelining(plain: System, sink: Sink, ending: bytes, piece: int) -> None:
    with plain.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        _one_message_or_none(client, sink, ending, piece)


@pytest.mark.parametrize("ending", [*ENDINGS, _TRUE], ids=repr)
def test_bdat(system: System, sink: Sink, ending: bytes) -> None:
    """In a chunk even the true ending is content: it reaches the next hop as such."""
    name = next(_numbers)
    content = b"X-Id: " + name + b"\r\n\r\nbody" + ending + _SMUGGLED
    with system.client() as client:
        client.envelope()
        client.write(b"BDAT %d LAST\r\n" % len(content) + content)
        code = client.reply()[0]
        client.write(b"QUIT\r\n")
        assert client.all_replies() == [221]
    assert code in (250, 521, 550), code
    if code == 250:
        wait_for(lambda: sink.count(name) == 1, "the message at the next hop")
        (message,) = [one for one in sink.taken if name in one.content]
        assert b"smuggler" in message.content
    assert not [one for one in sink.taken if b"smuggler" in one.sender]
