"""Reports about TLS to the domains that want them (RFC 8460, decision 0044), put together: who hears of each session of an smtp
service, and who sends the reports."""

import asyncio
import functools
import random
from pathlib import Path
from typing import Final, Protocol

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.master import ServiceEntry
from gatepost.events.records import Note
from gatepost.mail.content import MemoryContent
from gatepost.mail.date import mail_date
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.submission import QueueUnavailable, Submit
from gatepost.service.materials import Materials
from gatepost.service.transports import delivering
from gatepost.state.port import StateUnavailable
from gatepost.tlsrpt.collector import Collector
from gatepost.tlsrpt.external_collector import ExternalCollector
from gatepost.tlsrpt.outcome import REPORT, Observe, TlsOutcome
from gatepost.tlsrpt.post import post
from gatepost.tlsrpt.record import address_of
from gatepost.tlsrpt.report import Report, Submitter
from gatepost.tlsrpt.report_mail import message
from gatepost.tlsrpt.reporter import NotSent, Reporter
from gatepost.tlsrpt.settings import ObservedSettings, TlsrptSettings

_PAUSE: Final = 5.0
"""Seconds between two looks at what was counted and what is due."""


def submitter_of(configuration: Configuration) -> Submitter:
    """Who reports. Raises ConfigurationError."""
    settings = configuration.view(TlsrptSettings)
    sender = address_of(settings.tlsrpt_sender)
    if not sender:
        told = f"tlsrpt_sender: {settings.tlsrpt_sender!r} is no address that reports can come from"
        raise ConfigurationError([configuration.fault("tlsrpt_sender", told, "write name@domain")])
    return Submitter(settings.tlsrpt_organization_name, settings.tlsrpt_contact, sender)


def makes_reports(configuration: Configuration) -> bool:
    """Whether there are reports of our own."""
    return any(not view.smtp_tlsrpt_socket_name for view in _observed(configuration).values())


def _observed(configuration: Configuration) -> dict[str, ObservedSettings]:
    """The smtp services whose sessions are told of, by ServiceEntry.key."""
    entries = (entry for entry in delivering(configuration).values() if entry.command == "smtp")
    views = {entry.key: configuration.view(ObservedSettings, entry.overrides) for entry in entries}
    return {key: view for key, view in views.items() if view.smtp_tlsrpt_enable}


class _Collector(Protocol):
    """Hears of sessions, and has what it heard where it lasts."""

    def observe(self, outcome: TlsOutcome) -> None: ...

    async def store(self) -> None: ...


class TlsReports:
    """Of one worker; without an smtp service that has smtp_tlsrpt_enable it does nothing. `submit`: takes reports in as mail.
    Raises ConfigurationError."""

    def __init__(self, materials: Materials, submit: Submit) -> None:
        self._materials = materials
        self._submit = submit
        self._warn = materials.teller("tlsrpt")
        self._observed = _observed(materials.configuration)
        self._collectors = {view.smtp_tlsrpt_socket_name: self._collector(view) for view in self._observed.values()}
        self._reporter = self._make_reporter() if "" in self._collectors else None

    def observer(self, entry: ServiceEntry) -> Observe | None:
        """Who hears how TLS came out in the sessions of a service; None where nobody does."""
        view = self._observed.get(entry.key)
        if view is None:
            return None
        observe = self._collectors[view.smtp_tlsrpt_socket_name].observe
        return _but_resumed(observe) if view.smtp_tlsrpt_skip_reused_handshakes else observe

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._collectors

    async def collect(self) -> None:
        """Store what was counted, every few seconds until cancelled."""
        while not self.idle:
            await asyncio.sleep(_PAUSE)
            await self.store()

    async def send(self) -> None:
        """Send what is due, until cancelled."""
        while self._reporter is not None:
            await asyncio.sleep(_PAUSE)
            try:
                await self._reporter.look()
            except* StateUnavailable:  # the log has it
                pass

    async def store(self) -> None:
        """Have what was counted where it lasts."""
        for collector in self._collectors.values():
            await collector.store()

    def _collector(self, view: ObservedSettings) -> _Collector:
        materials, name = self._materials, view.smtp_tlsrpt_socket_name
        if not name:
            return Collector(materials.state, materials.clock, self._warn)
        path = str(Path(materials.queue_directory) / name)
        return ExternalCollector(path, materials.resolver, materials.clock, self._warn)

    def _make_reporter(self) -> Reporter:
        materials = self._materials
        return Reporter(
            materials.state,
            materials.resolver,
            submitter_of(materials.configuration),
            by_mail=self._by_mail,
            by_https=functools.partial(post, network=materials.network()),
            clock=materials.clock,
            chance=random.random,
            tell=lambda text: materials.emit(Note("tlsrpt", text)),
            warn=self._warn,
            fault=materials.fault,
        )

    async def _by_mail(self, report: Report, to: str) -> None:
        """From nobody, so that nothing comes back; raises NotSent."""
        attributes = (("log_message_origin", "local"), ("trace_flags", "0"), (REPORT, "yes"))
        envelope = Envelope("", (Recipient(to, to, f"rfc822;{to}"),), attributes=attributes)
        content = MemoryContent(message(report, to, mail_date(self._materials.clock())))
        try:
            await self._submit(envelope, content, origin="tlsrpt")
        except QueueUnavailable as refusal:
            raise NotSent(str(refusal)) from None


def _but_resumed(observe: Observe) -> Observe:
    def told(outcome: TlsOutcome) -> None:
        if not outcome.resumed:
            observe(outcome)

    return told
