"""Work that one client makes for a worker, many commands or one long header: others have their turn meanwhile.

Nothing is timed: somebody else says NOOP after NOOP until the answer is there, and the answers to that are counted.
"""

import select
from collections.abc import Iterator

import pytest

from tests.support.running import Client, System
from tests.support.sink import Sink

_RULES = "".join(f"/spam{number}.*word{number}/ REJECT\n" for number in range(1000))
_TURNS = 8
"""As many as somebody else has at least: work of a second that is held up for 5 ms at a time, has some hundreds."""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    main = {
        "worker_processes": "1",
        "smtpd_recipient_restrictions": "check_recipient_access regexp:{dir}/rules, permit_mynetworks, reject",
        "local_header_rewrite_clients": "static:all",
        "smtpd_junk_command_limit": "1000000",
        "smtpd_soft_error_limit": "1000000",
    }
    with Sink() as sink:
        one = System(main, relay=sink.port)
        (one.folder / "rules").write_text(_RULES)
        with one:
            yield one


def _turns(system: System, client: Client) -> int:
    """How often somebody else is answered before `client` is."""
    with system.client() as other:
        count = 0
        while not select.select([client.socket], [], [], 0)[0]:
            assert other.say("NOOP")[0] == 250
            count += 1
        return count


@pytest.mark.parametrize("line", [b"RCPT TO:<%b@example.net>\r\n" % (b"a" * 230), b"BDAT 1\r\nx"])
def test_many_commands_in_one_piece(system: System, line: bytes) -> None:
    lines = 1000 if line.startswith(b"RCPT") else 20000
    with system.client() as client:
        client.envelope()
        client.write(line * (lines - 1))
        assert _turns(system, client) >= _TURNS


def test_a_long_header(system: System) -> None:
    with system.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(b"To: " + b"a " * 50000 + b"\r\n\r\nx\r\n.\r\n")
        assert _turns(system, client) >= _TURNS
        assert client.reply()[0] == 250
