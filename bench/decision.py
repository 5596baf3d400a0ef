"""What the restriction list of a classic installation costs for a recipient, in CPU microseconds: Gatepost with restrictions of
its own beside Debian's Postfix with policyd-spf and postgrey.

    python -m bench.decision [COUNT]      (as root)

One client asks MAIL, RCPT and RSET of a server with the list of bench.policy_relay, and of one that has no more than
reject_unauth_destination: the difference is the decision. Answers of the DNS are cached where a server does that; the triplet is
known.
"""

import socket
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from bench.policy_relay import Start, classic, inside_zone, needed
from bench.servers import Server, fresh_directory, gatepost, postfix

_ROUNDS = 3
_TOGETHER = 50
_COMMANDS = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nRSET\r\n"
_RELAYING = """\
smtpd_relay_restrictions =
relay_domains = example.net
smtpd_junk_command_limit = 10000000
smtpd_recipient_restrictions = reject_unauth_destination
"""


def microseconds(start: Start, count: int) -> float:
    """Of CPU, for each of `count` recipients; the first are not measured."""
    with start(9) as server, socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        replies = connection.makefile("rb")
        replies.readline()
        connection.sendall(f"HELO {socket.gethostname()}\r\n".encode())
        replies.readline()
        _ask(connection, replies.readline, 200)
        used = server.cpu()
        _ask(connection, replies.readline, count)
        return (server.cpu() - used) / count * 1e6


def _ask(connection: socket.socket, readline: Callable[[], bytes], count: int) -> None:
    for _ in range(0, count, _TOGETHER):
        connection.sendall(_COMMANDS * _TOGETHER)
        for _ in range(3 * _TOGETHER):
            if not (reply := readline()).startswith(b"250"):
                raise SystemExit(f"bench: {reply!r}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    inside_zone("decision")
    needed()
    contest = classic(fresh_directory())
    starts: dict[str, tuple[Start, Start]] = {
        "gatepost": (contest.gatepost, _relaying(gatepost)),
        "postfix": (contest.postfix, _relaying(postfix)),
    }
    print(f"{'':<10}{'list':>10}{'relaying':>10}{'decision':>10}  microseconds of CPU a recipient")
    for name, both in starts.items():
        listed, relaying = (statistics.median(microseconds(start, count) for _ in range(_ROUNDS)) for start in both)
        print(f"{name:<10}{listed:>10.0f}{relaying:>10.0f}{listed - relaying:>10.0f}", flush=True)


def _relaying(start: Callable[..., AbstractContextManager[Server]]) -> Start:
    return partial(start, more=_RELAYING)


if __name__ == "__main__":
    main()
