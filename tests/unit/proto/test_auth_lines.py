"""An AUTH command may be longer than others: its initial response has room (RFC 4954 §4)."""

import pytest

from gatepost.proto.smtp.server import CommandLine, ServerCore


def lines(data: bytes, step: int, limit: int = 100, auth_limit: int = 1000) -> list[tuple[str, int, bool]]:
    """What comes of octets that arrive in pieces: first word, length, whether it was cut; and no more is kept than may be."""
    core, found = ServerCore(limit, auth_limit), []
    for start in range(0, len(data), step):
        assert core.feed(data[start : start + step]) <= max(limit, auth_limit) + step + 1
        while (event := core.next_event()) is not None:
            assert isinstance(event, CommandLine)
            found.append((event.verb, len(event.line), event.overlong))
    return found


@pytest.mark.parametrize("step", [1, 7, 99, 100, 101, 999, 1000, 1001, 100_000])
@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"AUTH PLAIN " + b"A" * 500, ("AUTH", 511, False)),
        (b"auth plain " + b"A" * 988, ("AUTH", 999, False)),
        (b"AUTH PLAIN " + b"A" * 989, ("AUTH", 1000, True)),
        (b"AUTH PLAIN " + b"A" * 5000, ("AUTH", 1000, True)),
        (b"AUTHOR " + b"A" * 500, ("AUTHOR", 100, True)),
        (b"NOOP AUTH " + b"A" * 500, ("NOOP", 100, True)),
        (b"NOOP " + b"A" * 94, ("NOOP", 99, False)),
    ],
)
def test_how_long_a_line_may_be(line: bytes, found: tuple[str, int, bool], step: int) -> None:
    assert lines(line + b"\r\nQUIT\r\n", step) == [found, ("QUIT", 4, False)]


def test_a_smaller_limit_of_responses_is_for_responses() -> None:
    assert lines(b"AUTH " + b"A" * 50 + b"\r\n", 10, auth_limit=10) == [("AUTH", 55, False)]
