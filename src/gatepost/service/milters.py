"""The milters of a service: the gates that smtpd_milters, smtpd_milter_maps and non_smtpd_milters name."""

import resource
from collections.abc import Mapping, Sequence

from gatepost.admission.gates import Choose
from gatepost.admission.milter.gate import Milter, MilterGate
from gatepost.admission.milter.header_checks import HeaderChecks
from gatepost.admission.milter.macros import Macros
from gatepost.admission.milter.settings import DISABLE, MilterSettings, NamedMilter, named_milters
from gatepost.config.configuration import ConfigurationError
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.mail.address import AS_LOGGED
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.policy.port import Facts
from gatepost.service.materials import Materials

_ANY = 1 << 62
"""Octets of an answer that the connection allows: the conversation bounds each answer, and the number of edits."""

_MOST = 1000
"""Lists out of smtpd_milter_maps that are kept, and filters of them: a pattern's result may have the client's address in it."""


class Milters:
    """Opens the milters of one service by their lists. `service`: as which the log has what is wrong with them."""

    def __init__(self, materials: Materials, overrides: Mapping[str, str], service: str, tables: Tables, emit: Emit) -> None:
        configuration = materials.configuration
        self._configuration, self._overrides = configuration, overrides
        self._settings = settings = configuration.view(MilterSettings, overrides)
        self._network = materials.network()
        self._service, self._emit, self._tables = service, emit, tables
        try:
            self._macros = Macros(settings, materials.routing.resolve)
        except ValueError as error:
            raise self._bad("milter_macro_defaults", error) from None
        maps = tables.maps(settings.milter_header_checks, "milter_header_checks")
        written = AS_LOGGED[configuration.value("info_log_address_format", overrides)]
        self._header_checks = None if maps.empty else HeaderChecks(maps, emit, written)
        self._opened: dict[NamedMilter, MilterGate] = {}
        self._lists: dict[str, tuple[MilterGate, ...]] = {}

    def listed(self, parameter: str) -> tuple[MilterGate, ...]:
        """The gates of a parameter's list. Raises ConfigurationError."""
        try:
            return self._gates(self._configuration.value(parameter, self._overrides))
        except ValueError as error:
            raise self._bad(parameter, error) from None

    def by_client(self) -> Choose | None:
        """Who says which milters a client has (smtpd_milter_maps); None: all have the same."""
        name = "smtpd_milter_maps"
        maps = self._tables.maps(self._configuration.value(name, self._overrides), name)
        if maps.empty:
            return None
        usual = self.listed("smtpd_milters")

        async def choose(facts: Facts) -> Sequence[MilterGate]:
            found = await maps.find(facts.client_address)
            if found is None:
                return usual
            if found.upper() == DISABLE:
                return ()
            try:
                return self._gates(found)
            except ValueError as error:
                self._warn(f"{name}: {facts.client_address}: {error}")
                raise LookupFailure(name, str(error)) from None

        return choose

    def _gates(self, text: str) -> tuple[MilterGate, ...]:
        """The gates of a list; one that is named twice in the same words is one. Raises ValueError."""
        if (known := self._lists.get(text)) is None:
            named = named_milters(text, self._settings)
            if len(self._lists) >= _MOST:
                self._lists.clear()
            known = self._lists[text] = tuple(dict.fromkeys(self._gate(one) for one in named))
        return known

    def _gate(self, named: NamedMilter) -> MilterGate:
        if (gate := self._opened.get(named)) is None:
            if len(self._opened) >= _MOST:
                self._opened.clear()  # sessions have theirs as long as they last
                self._lists.clear()
            settings = self._settings
            client = StreamClient(
                named.server, self._rules(named), self._network, lambda news: self._warn(str(news)), f"milter {named.name}"
            )
            milter = Milter(named, client, self._macros, self._header_checks, settings.message_size_limit, self._warn)
            gate = self._opened[named] = MilterGate(milter)
        return gate

    def _rules(self, named: NamedMilter) -> StreamRules:
        """Each session has a connection of its own for as long as it lives, so that there are as many as sessions."""
        settings, limit = self._settings, named.options.connect_timeout
        connections = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8, 16)
        return StreamRules(
            limits=TimeLimits.all_of(limit),
            answer=AnswerLimit(_ANY),
            crowd=Crowd.of(connections),
            breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
        )

    def _warn(self, text: str) -> None:
        self._emit(Note(self._service, text, "warning"))

    def _bad(self, parameter: str, error: ValueError) -> ConfigurationError:
        fault = self._configuration.fault(parameter, f"{parameter}: {error}", "correct it", self._overrides)
        return ConfigurationError((fault,))
