"""Requests of spamc, as it writes them and as something else might."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.spamd import parsed
from gatepost.proto.spamd_server import HEAD_LIMIT, Asked, Code, Command, Refusal, RequestReader, answer

MESSAGE = b"Subject: x\n\nhi\n"
REAL = b"SYMBOLS SPAMC/1.5\r\nUser: anna\r\nContent-length: 15\r\n\r\n" + MESSAGE


def asked(octets: bytes, size: int = 1 << 20, most: int = 1000) -> Asked:
    """What is asked, if the client ends after `octets`."""
    request = RequestReader(most)
    for at in range(0, len(octets), size):
        if found := request.feed(octets[at : at + size]):
            return found
    return request.ended()


@pytest.mark.parametrize("size", [1, 2, 7, len(REAL)])
def test_a_request_comes_in_pieces(size: int) -> None:
    assert asked(REAL, size) == Asked(Command.SYMBOLS, "anna", MESSAGE)


def test_the_length_ends_it() -> None:
    assert RequestReader(1000).feed(REAL) is not None


def test_without_a_length_the_client_ends_it() -> None:
    request = RequestReader(1000)
    assert request.feed(b"PROCESS SPAMC/1.2\r\n\r\n" + MESSAGE) is None
    assert request.ended() == Asked(Command.PROCESS, "", MESSAGE)


@pytest.mark.parametrize("command", ["PING", "SKIP"])
def test_no_message_is_awaited(command: str) -> None:
    assert RequestReader(1000).feed(f"{command} SPAMC/1.5\r\n\r\n".encode()) == Asked(Command(command), "", b"")


@pytest.mark.parametrize("user", [b"", b"a b", b"../x", b"a\x1b[2J", b"a" * 65, b"\xe4"])
def test_a_user_that_is_no_name_is_nobody(user: bytes) -> None:
    assert asked(b"CHECK SPAMC/1.5\r\nUser: " + user + b"\r\n\r\n").user == ""


@pytest.mark.parametrize(
    ("octets", "code", "words"),
    [
        (b"", Code.PROTOCOL, "EOF during headers"),
        (b"FOO SPAMC/1.5\r\n\r\n", Code.PROTOCOL, "Bad header line: FOO SPAMC/1.5"),
        (b"CHECK\r\n\r\n", Code.PROTOCOL, "Bad header line: CHECK"),
        (b"CH\x1b[CK\r\n\r\n", Code.PROTOCOL, r"Bad header line: CH\?\[CK"),
        (b"CHECK SPAMC/1.5\r\nnonsense\r\n\r\n", Code.PROTOCOL, "header not in 'Name: value' format"),
        (b"CHECK SPAMC/1.5\r\nContent-length: x\r\n\r\n", Code.PROTOCOL, "non-numeric"),
        (b"CHECK SPAMC/1.5\r\nContent-length: -1\r\n\r\n", Code.PROTOCOL, "non-numeric"),
        (b"CHECK SPAMC/1.5\r\nContent-length: 1\r\n\r\nab", Code.PROTOCOL, "Expected 1 bytes, got 2 bytes"),
        (b"CHECK SPAMC/1.5\r\nContent-length: 3\r\n\r\nab", Code.PROTOCOL, "Expected 3 bytes, got 2 bytes"),
        (b"CHECK SPAMC/1.5\r\nContent-length: 1001\r\n\r\n", Code.DATAERR, "larger than 1000 octets"),
        (b"CHECK SPAMC/1.5\r\n\r\n" + b"a" * 1001, Code.DATAERR, "larger than 1000 octets"),
        (b"CHECK SPAMC/1.5\r\nCompress: zlib\r\n\r\n", Code.UNAVAILABLE, "compressed"),
        (b"CHECK SPAMC/1.5\r\n" + b"a: b\r\n" * HEAD_LIMIT, Code.PROTOCOL, "headers without end"),
    ],
)
def test_what_is_no_request(octets: bytes, code: Code, words: str) -> None:
    for size in (len(octets) + 1, 7):
        with pytest.raises(Refusal, match=words) as refused:
            asked(octets, size)
        assert refused.value.code is code
        assert refused.value.answer.startswith(b"SPAMD/1.0 %d " % code)


@given(st.binary() | st.binary().map(lambda octets: b"CHECK SPAMC/1.5\r\n" + octets + b"\r\n\r\n"), st.integers(1, 40))
def test_any_octets_are_a_request_or_refused(octets: bytes, size: int) -> None:
    try:
        found = asked(octets, size)
    except Refusal as refusal:
        assert refusal.answer.isascii()
        assert refusal.answer.count(b"\n") == 1
    else:
        assert found.message in octets


@given(st.binary(max_size=1000), st.integers(1, 400))
def test_a_message_comes_as_it_was_sent(message: bytes, size: int) -> None:
    wire = b"PROCESS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message
    assert asked(wire, size).message == message


def test_our_client_understands_our_answers() -> None:
    said = answer(Command.SYMBOLS, is_spam=True, score=7.54, required=5.0, size=3) + b"A,B"
    assert said == b"SPAMD/1.1 0 EX_OK\r\nContent-length: 3\r\nSpam: True ; 7.5 / 5.0\r\n\r\nA,B"
    assert parsed(said).rules == ("A", "B")


def test_spam_is_called_yes_where_only_spam_is_reported() -> None:
    said = answer(Command.REPORT_IFSPAM, is_spam=False, score=-0.04, required=5.0, size=0)
    assert said == b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: No ; -0.0 / 5.0\r\n\r\n"


def test_a_check_has_no_body() -> None:
    assert (
        answer(Command.CHECK, is_spam=False, score=0, required=5, size=0) == b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n"
    )
