"""The log-ins of an smtpd service, put together: who runs the mechanisms, and who knows the users (smtpd_sasl_type)."""

import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from gatepost.auth.backends.dovecot import DovecotUsers
from gatepost.auth.backends.saslauthd import Saslauthd
from gatepost.auth.backends.sasldb import Sasldb
from gatepost.auth.dovecot import DovecotSasl
from gatepost.auth.mechanisms import OwnMechanisms, no_scram_keys
from gatepost.auth.offer import ServerSasl
from gatepost.auth.port import Checker, Sasl, ScramDecoys
from gatepost.auth.settings import SaslSettings
from gatepost.config.configuration import ConfigurationError
from gatepost.config.cyrus_sasl import Source
from gatepost.config.ports import known_ports
from gatepost.events.records import Emit, Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.net.server_address import Server, parse
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.proto.sasl.mechanisms import MECHANISMS
from gatepost.service.authentication import Make, asked_each_time, known_users
from gatepost.service.cyrus_sasl import NobodyLogsIn, asked_for, saslauthd_paths
from gatepost.service.materials import Materials


class SaslTypeSettings(Struct, frozen=True):
    """Who runs the log-ins, and how he is reached."""

    smtpd_sasl_auth_enable: bool
    smtpd_sasl_type: str
    smtpd_sasl_path: str
    smtpd_sasl_local_domain: str
    smtpd_auth_timeout: int
    queue_directory: str
    helper_connection_limit: int
    helper_failure_limit: int
    helper_probe_interval: int


_ANY = 1 << 62
"""Octets of an answer where it never ends; the protocol bounds each line."""


def server_sasl(materials: Materials, overrides: Mapping[str, str], tables: Tables, emit: Emit) -> ServerSasl | None:
    """The log-ins of a service, None where smtpd_sasl_auth_enable is off, or asks for what we cannot do: that lets
    nobody in, and the log says what to do. Raises ConfigurationError."""
    settings = materials.configuration.view(SaslTypeSettings, overrides)
    if not settings.smtpd_sasl_auth_enable:
        return None
    opened = _Opened(materials, overrides, settings, tables, emit)
    others: Mapping[str, Make] = {
        "dovecot": lambda: DovecotUsers(_dovecot(opened)),
        "saslauthd": partial(_users_of_saslauthd, opened, ""),
    }
    users = known_users(materials, overrides, tables, opened.warn, others)
    try:
        sasl = _TYPES[settings.smtpd_sasl_type](opened) if users is None else _own(_ANNOUNCED, users.checker, users.decoys)
    except NobodyLogsIn as reason:
        opened.warn(f"smtpd_sasl_type = {settings.smtpd_sasl_type}: AUTH is not offered: {reason.told}")
        return None
    listed = materials.configuration.value("smtpd_sasl_mechanism_filter", overrides)
    announces = MatchList.strings(listed, tables, "smtpd_sasl_mechanism_filter", tables.warn)
    return ServerSasl(materials.configuration.view(SaslSettings, overrides), sasl, announces.matches)


class _Opened:
    """What a type of log-ins is built from."""

    def __init__(
        self, materials: Materials, overrides: Mapping[str, str], settings: SaslTypeSettings, tables: Tables, emit: Emit
    ) -> None:
        self.settings = settings
        self.materials, self.overrides = materials, overrides
        self._tables = tables
        self._ports = known_ports(materials.configuration.value("known_tcp_ports", overrides))
        self._network = materials.network()
        self._emit = emit

    def warn(self, text: str) -> None:
        self._emit(Note("smtpd", text, "warning"))

    def guarded(self, checker: Checker) -> Checker:
        """Behind what stands before all who know users."""
        return asked_each_time(self.materials, self.overrides, self._tables, checker)

    def server(self, text: str) -> Server:
        """A server of smtpd_sasl_path. Raises ConfigurationError."""
        where = text if text.startswith(("inet:", "unix:")) else f"unix:{text}"
        try:
            return parse(where, self.settings.queue_directory, self._ports)
        except ValueError:
            raise self.bad("smtpd_sasl_path", f"{text} is no socket", "write its path, or inet:HOST:PORT") from None

    def bad(self, parameter: str, told: str, remedy: str) -> ConfigurationError:
        """What is wrong with a parameter."""
        return ConfigurationError((self.materials.configuration.fault(parameter, f"{parameter}: {told}", remedy, self.overrides),))

    def client(self, server: Server, *, most_octets: int) -> StreamClient:
        settings, limit = self.settings, self.settings.smtpd_auth_timeout
        connections = settings.helper_connection_limit
        rules = StreamRules(
            limits=TimeLimits.all_of(limit),
            answer=AnswerLimit(most_octets),
            crowd=Crowd.of(connections),
            breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
        )
        return StreamClient(server, rules, self._network, lambda news: self.warn(str(news)), "smtpd_sasl_path")


def _dovecot(opened: _Opened) -> DovecotSasl:
    client = opened.client(opened.server(opened.settings.smtpd_sasl_path), most_octets=_ANY)
    return DovecotSasl(client, opened.settings.smtpd_auth_timeout, opened.warn)


_PASSWORDS = ("PLAIN", "LOGIN")
_ANNOUNCED = (*_PASSWORDS, *(name for name in MECHANISMS if name not in _PASSWORDS))
"""In their order. Those that no back end has answers for are left out."""

_USUAL: Mapping[Source, tuple[str, ...]] = {Source.SASLAUTHD: _PASSWORDS, Source.SASLDB: ("CRAM-MD5", *_PASSWORDS)}
"""Without a mech_list; EXTERNAL has to stand in it."""


def _cyrus(opened: _Opened) -> Sasl:
    """What the file of Cyrus SASL asks for. Raises NobodyLogsIn."""
    asked = asked_for(opened.materials.configuration, opened.overrides)
    options, usual = asked.options, _USUAL[asked.source]
    possible = (*usual, "EXTERNAL")
    for other in (word for word in options.mech_list if word not in possible):
        opened.warn(f"{options.file}: mech_list: {other} is not offered: {asked.source.value} has no answers for it")
    names = tuple(word for word in options.mech_list or usual if word in possible)
    if asked.source is Source.SASLAUTHD:
        return _own(names, opened.guarded(_users_of_saslauthd(opened, options.saslauthd_path)))
    users = Sasldb(options.sasldb_path, opened.materials.hashing, opened.settings.smtpd_sasl_local_domain)
    return _own(names, opened.guarded(users))


def _own(names: tuple[str, ...], users: Checker, decoys: ScramDecoys = no_scram_keys) -> Sasl:
    """Our own mechanisms."""
    return OwnMechanisms(names, users, lambda: secrets.token_hex(16), decoys)


def _users_of_saslauthd(opened: _Opened, path: str) -> Checker:
    return Saslauthd(_saslauthd(opened, path), opened.settings.smtpd_sasl_local_domain, opened.warn)


def _saslauthd(opened: _Opened, path: str) -> Callable[[], StreamClient]:
    """The socket of saslauthd, the first that is there now."""
    paths = saslauthd_paths(opened.settings.queue_directory, path)
    clients = [opened.client(Server(one, path=one), most_octets=65538) for one in paths]

    def there() -> StreamClient:
        return next((client for client in clients if os.path.exists(client.server.path)), clients[-1])

    return there


_TYPES: Mapping[str, Callable[[_Opened], Sasl]] = {"cyrus": _cyrus, "dovecot": _dovecot}
