"""SPF of a service: for the restriction check_spf, and `spf` lines of master.cf, which do what policyd-spf does for any Postfix."""

import time
from collections import OrderedDict
from collections.abc import Mapping

from gatepost.config.master import ServiceEntry
from gatepost.events.records import Emit, Note
from gatepost.identity.spf.check import Checker, Client, Lists
from gatepost.identity.spf.ruling import DUNNO, Ruling, headers, rule
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.net.tls import ServerTls
from gatepost.net.tls_parameters import TlsFailure
from gatepost.policy.policy_service import owner
from gatepost.receive.session_limit import SessionLimit
from gatepost.service.materials import Materials
from gatepost.service.policy_server import TRY_AGAIN, PolicyServer, Request
from gatepost.service.ways import WayIn

_MESSAGES = 64
"""Messages of one connection that are remembered; Postfix asks of one after the other."""
_LONGEST_INSTANCE = 100
"""Characters of what tells messages apart. Postfix's are shorter; for longer ones nothing is remembered."""


def spf_checker(materials: Materials, overrides: Mapping[str, str], tables: Tables) -> Checker:
    """Who asks for SPF with the parameters of a service. Raises ConfigurationError."""
    settings = materials.configuration.view(SpfSettings, overrides)
    lists = Lists.opened(settings, tables)
    return Checker(settings, lists, lambda address: materials.any_name.of(owner(address)), time.time)


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> PolicyServer:
    """The service of one `spf` line. Raises ConfigurationError."""
    emit = materials.emitter(entry)
    checker = spf_checker(materials, entry.overrides, materials.tables("spf", emit, entry.overrides))
    return PolicyServer("spf", lambda: SpfDesk(checker, emit), emit=emit, fault=materials.fault, limit=limit)


class SpfDesk:
    """Answers one connection. All recipients of a message, which have one `instance`, get the same refusal; its headers come with
    the first one."""

    def __init__(self, checker: Checker, emit: Emit) -> None:
        self._checker = checker
        self._emit = emit
        self._answered: OrderedDict[str, str] = OrderedDict()

    async def answer(self, request: Request) -> str:
        """The action. A list that cannot be asked, which the log has then, puts the message off."""
        instance = request.get("instance", "")
        if len(instance) > _LONGEST_INSTANCE:
            instance = ""
        if instance and (known := self._answered.get(instance)) is not None:
            return "DUNNO" if known.startswith("PREPEND ") else known
        try:
            action = await self._decide(request)
        except LookupFailure:
            return TRY_AGAIN
        if instance:
            self._answered[instance] = action
            if len(self._answered) > _MESSAGES:
                self._answered.popitem(last=False)
        queue_id = request.get("queue_id", "")
        self._emit(Note("spf", f"{queue_id}: {action}" if queue_id else action))
        return action

    async def _decide(self, request: Request) -> str:
        checker = self._checker
        client = Client(
            request.get("client_address", ""),
            request.get("client_name", "unknown"),
            request.get("helo_name", ""),
            request.get("sender", ""),
        )
        finding = await checker.find(client)
        ruling = await rule(finding, checker.settings, checker.lists)
        if ruling.code:
            return refusal(ruling)
        if ruling.action != DUNNO:
            return ruling.action
        lines = headers(finding, checker.settings)
        return f"PREPEND {lines[0]}" if lines else "DUNNO"


def refusal(ruling: Ruling) -> str:
    """A refusal as an action of access(5)."""
    words = f"{ruling.enhanced} Message {'rejected' if ruling.code >= 500 else 'deferred'} due to: {ruling.text}"
    return f"DEFER_IF_PERMIT {words}" if ruling.action == "defer_if_permit" else f"{ruling.code} {words}"
