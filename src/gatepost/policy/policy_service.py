"""The client of a policy delegation server: one question, one action (SMTPD_POLICY_README, check_policy_service).

Failure: where there is no usable answer, `smtpd_policy_service_default_action`, whatever the reason; nobody passes for want of one.
"""

import errno
import ipaddress
from collections.abc import Callable

from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import UNREACHED, StreamFailure, Trouble
from gatepost.proto.policy_delegation import CUT_SHORT, NO_ACTION, Query, encode

# Failures that are no news on a first try: the server closed a connection that had been idle, or is being restarted.
_QUIET = frozenset({0, errno.EPIPE, errno.ENOENT, errno.ECONNRESET})


class PolicyService:
    """A server.

    `server`: as a restriction names it;
    `context`: what it is told as policy_context;
    `default_action`: what it is taken to say where it says nothing usable.
    """

    def __init__(self, server: str, client: StreamClient, context: str, default_action: str, warn: Callable[[str], None]) -> None:
        self.server = server
        self.context = context
        self._client = client
        self._default_action = default_action
        self._warn = warn

    async def action(self, attributes: dict[str, str], client_address: str) -> str:
        """What the server says of a client's request; the default action where it says nothing usable."""
        request = encode(attributes)
        try:
            return await self._client.ask(lambda: Query(request), owner(client_address), self._report)
        except StreamFailure as failure:
            if failure.trouble is Trouble.BUSY:
                self._warn(f"problem talking to server {self._client.server.name}: {failure.words}")
            return self._default_action

    def _report(self, failure: StreamFailure, last: bool) -> None:
        """What Postfix says of a try that failed."""
        name, words = self._client.server.name, _words(failure)
        if failure.trouble in UNREACHED:
            self._warn(f"connect to {name}: {words}")
        elif failure.words == NO_ACTION:
            self._warn(f"{NO_ACTION} in input from {name}")
        elif failure.words.startswith(CUT_SHORT):
            self._warn(failure.words.replace("end-of-input", f"end-of-input on {name}"))
        if last or failure.number not in _QUIET:
            self._warn(f"problem talking to server {name}: {words}")

    def close(self) -> None:
        """End the kept connections."""
        self._client.close()


def owner(client_address: str) -> str:
    """Whom a question counts for: an IPv4 address, or the network of 64 bits that one client commonly has of IPv6."""
    if ":" not in client_address:
        return client_address
    try:
        return ipaddress.IPv6Address(client_address).packed[:8].hex()
    except ValueError:  # whatever XCLIENT has told
        return client_address


_NOT_THE_SYSTEM = frozenset({Trouble.GARBAGE, Trouble.OVERLONG, Trouble.CLOSED})


def _words(failure: StreamFailure) -> str:
    """The system's words where it has some."""
    return "Application error" if failure.trouble in _NOT_THE_SYSTEM and not failure.number else failure.words
