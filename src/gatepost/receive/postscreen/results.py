"""The tests of postscreen(8), and until when a client has passed them."""

import enum
import struct
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.receive.postscreen.settings import Action, PostscreenSettings


class Test(enum.IntEnum):
    """A test; its number is its place among the results that are kept."""

    PREGREET = 0
    DNSBL = 1
    PIPELINING = 2
    NON_SMTP = 3
    BARE_NEWLINE = 4


EARLY: Final = frozenset({Test.PREGREET, Test.DNSBL})
"""Those before the greeting; the others need the engine, which lets nobody through."""

_PACKED: Final = struct.Struct(f">{len(Test)}d")

_LATEST: Final = float(1 << 33)
"""A time that no pass lasts until (in the year 2242); what is damaged may be infinite, or no number."""

Results = Mapping[Test, float]
"""Until when a client has passed a test, in seconds since 1970. What is not there was never passed."""


class TestRule(Struct, frozen=True):
    """How a test is made. `action`: what is done with whom fails it; `ttl`: seconds for which a pass counts; `parameter`: for the
    reasons that records give."""

    enabled: bool
    action: Action
    ttl: float
    parameter: str


def rules(settings: PostscreenSettings) -> dict[Test, TestRule]:
    """How each test is made with these settings."""
    s = settings
    return {
        Test.PREGREET: TestRule(
            bool(s.postscreen_greet_banner), s.postscreen_greet_action, s.postscreen_greet_ttl, "postscreen_greet_action"
        ),
        Test.DNSBL: TestRule(
            bool(s.postscreen_dnsbl_sites), s.postscreen_dnsbl_action, s.postscreen_dnsbl_max_ttl, "postscreen_dnsbl_sites"
        ),
        Test.PIPELINING: TestRule(
            s.postscreen_pipelining_enable, s.postscreen_pipelining_action, s.postscreen_pipelining_ttl,
            "postscreen_pipelining_action",
        ),
        Test.NON_SMTP: TestRule(
            s.postscreen_non_smtp_command_enable, s.postscreen_non_smtp_command_action, s.postscreen_non_smtp_command_ttl,
            "postscreen_non_smtp_command_action",
        ),
        Test.BARE_NEWLINE: TestRule(
            s.postscreen_bare_newline_enable, s.postscreen_bare_newline_action, s.postscreen_bare_newline_ttl,
            "postscreen_bare_newline_action",
        ),
    }  # fmt: skip


def pack(results: Results) -> bytes:
    """As it is stored."""
    return _PACKED.pack(*(results.get(test, 0.0) for test in Test))


def unpack(stored: bytes) -> dict[Test, float]:
    """What `pack` made; nothing of what is no such thing, so that the client is tested anew."""
    if len(stored) != _PACKED.size:
        return {}
    return {test: until for test, until in zip(Test, _PACKED.unpack(stored), strict=True) if 0.0 < until < _LATEST}
