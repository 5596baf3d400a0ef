"""Greylisting of a service: for the restriction check_greylist, and `greylist` lines of master.cf, which do what postgrey does for
any Postfix."""

import time
from collections.abc import Mapping

from gatepost.config.master import ServiceEntry
from gatepost.events.records import Emit, Note
from gatepost.identity.spf.check import Checker, Client, Finding
from gatepost.lookup.port import LookupFailure
from gatepost.net.tls import ServerTls
from gatepost.net.tls_parameters import TlsFailure
from gatepost.policy.greylist.attempt import Attempt
from gatepost.policy.greylist.greylister import Greylisted, Greylister
from gatepost.policy.greylist.identity import attempt_of
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.receive.session_limit import SessionLimit
from gatepost.service.materials import Materials
from gatepost.service.policy_server import PolicyServer, Request
from gatepost.service.spf import spf_checker
from gatepost.service.ways import WayIn
from gatepost.state.port import StateUnavailable

_NOTHING = "DUNNO"
_SHOWN = 300  # characters of each value in a line of the log


def greylister(materials: Materials, overrides: Mapping[str, str], emit: Emit) -> Greylister:
    """The greylisting of a service with its parameters. Raises ConfigurationError."""
    settings = materials.configuration.view(GreylistSettings, overrides)
    warn = materials.teller("greylist", emit)
    return Greylister(settings, materials.state, Whitelists(settings, warn, time.monotonic), materials.clock)


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> PolicyServer:
    """The service of one `greylist` line. Raises ConfigurationError."""
    emit = materials.emitter(entry)
    one = greylister(materials, entry.overrides, emit)
    spf = None
    if "spf" in one.settings.greylist_identity:
        spf = spf_checker(materials, entry.overrides, materials.tables("greylist", emit, entry.overrides))
    once = one.settings.greylist_exim
    return PolicyServer("greylist", lambda: GreylistDesk(one, spf, emit), emit=emit, fault=materials.fault, limit=limit, once=once)


class GreylistDesk:
    """Answers one connection. The header comes once a message: the recipients of one, which have one `instance`, come after each
    other. `spf`: asked who answers for a client; None: nobody is."""

    def __init__(self, greylister: Greylister, spf: Checker | None, emit: Emit) -> None:
        self._greylister = greylister
        self._spf = spf
        self._emit = emit
        self._told = ""

    async def answer(self, request: Request) -> str:
        """The action, and a line in the log as postgrey writes it."""
        attempt = await self._attempt(request)
        try:
            found = await self._greylister.ask(attempt)
        except StateUnavailable:
            self._log("fail", "state store unavailable", attempt, request)
            return self._greylister.settings.greylist_default_action
        delay = f", delay={found.waited}" if found.header else ""
        missing = f" ({found.left}s missing)" if found.left and found.ground.value == "early-retry" else ""
        self._log("greylist" if found.left else "pass", f"{found.ground.value}{missing}{delay}", attempt, request)
        return found.action or self._prepended(found, request.get("instance", ""))

    def _prepended(self, found: Greylisted, instance: str) -> str:
        if not found.header or (instance and instance == self._told):
            return _NOTHING
        self._told = instance
        return f"PREPEND {found.header}"

    async def _attempt(self, request: Request) -> Attempt:
        address, name = request.get("client_address", ""), request.get("client_name", "unknown")
        sender = request.get("sender", "")
        finding = await self._finding(address, name, request.get("helo_name", ""), sender)
        return attempt_of(self._greylister.settings, address, name, sender, request.get("recipient", ""), finding)

    async def _finding(self, address: str, name: str, helo: str, sender: str) -> Finding | None:
        """What SPF says; None where it is not asked, or a list of its parameters does not answer, which the log has then."""
        if self._spf is None or not sender:
            return None
        try:
            return await self._spf.find(Client(address, name, helo, sender))
        except LookupFailure:
            return None

    def _log(self, action: str, reason: str, attempt: Attempt, request: Request) -> None:
        about = {
            "client_name": attempt.client_name,
            "client_address": attempt.client_address,
            "sender": attempt.sender,
            "recipient": attempt.recipient,
        }
        told = "".join(f", {name}={value[:_SHOWN]}" for name, value in about.items() if value)
        self._emit(Note("greylist", f"action={action}, reason={reason}{told}"))
