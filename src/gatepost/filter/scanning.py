"""How the worker has a message scanned."""

from typing import Protocol

from gatepost.filter.facts import Facts, Request
from gatepost.mail.content import Content


class ScanFailed(Exception):
    """There are no facts of this message: its scanner crashed, hung, was full or answered nonsense. What was the matter is the
    text, for the log; the message is deferred (4xx), and no other is affected."""


class Scanning(Protocol):
    """What scans: a process behind walls (service/scanner/client.py), or what a test puts in its place."""

    async def scan(self, request: Request, content: Content) -> Facts:
        """The facts of a message, within filter_scan_time_limit. Raises ScanFailed."""
        ...
