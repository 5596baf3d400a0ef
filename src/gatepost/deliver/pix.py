"""Workarounds for servers behind a CISCO PIX firewall with "smtp fixup" (postconf(5), smtp_pix_workarounds). Such a firewall masks
the greeting with asterisks, breaks ESMTP, and loses an end of data that does not begin a packet."""

import contextlib
from collections.abc import Callable
from typing import Final

from gatepost.deliver.attempt import Attempt
from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.ascii_text import elements

DISABLE_ESMTP: Final = "disable_esmtp"
DELAY_DOTCRLF: Final = "delay_dotcrlf"


def workarounds(words: str) -> tuple[str, ...]:
    """The workarounds that a list names, in Postfix's order; other words are passed over, as there."""
    named = elements(words.lower())
    return tuple(name for name in (DISABLE_ESMTP, DELAY_DOTCRLF) if name in named)


class PixWorkarounds:
    """Which of them a server with a masked greeting gets. `maps`: smtp_pix_workaround_maps; `now`: seconds since 1970."""

    def __init__(self, settings: SmtpSettings, maps: Maps | None, now: Callable[[], float], emit: Emit, service: str) -> None:
        self._words = settings.smtp_pix_workarounds
        self._maps = None if maps is None or maps.empty else maps
        self._threshold = settings.smtp_pix_workaround_threshold_time
        self._now = now
        self._emit = emit
        self._service = service

    @property
    def idle(self) -> bool:
        """Whether no server gets any."""
        return self._maps is None and not elements(self._words)

    async def find(self, host: Host, attempt: Attempt) -> tuple[str, ...]:
        """Those for `host` and this message, which the log is told of: only one that has waited gets `delay_dotcrlf`. A table that
        cannot answer, which the log has then, is as one that lists nothing: this is a help, no more."""
        words = self._words
        if self._maps is not None:
            with contextlib.suppress(LookupFailure):
                words = await self._maps.find(host.address) or words
        if not elements(words):
            return ()
        waited = self._now() - attempt.request.message.id.arrival >= self._threshold
        found = tuple(name for name in workarounds(words) if waited or name != DELAY_DOTCRLF)
        text = f"enabling PIX workarounds: {' '.join(found)} for {host.relay}"
        self._emit(Note(self._service, text, queue_id=attempt.queue_id))
        return found
