"""Who knows the users of an smtpd service: the back ends of smtpd_auth_backends, and what stands before them.

A question meets, in this order: what is remembered (auth/remembered.py), the guard (auth/guard.py), and each back end in turn. A
back end that cannot be opened takes its place and says that nobody can say.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from gatepost.auth.backends.choice import Backend, WrongWord, backends
from gatepost.auth.backends.in_turn import InTurn, Named
from gatepost.auth.backends.ldap_opening import open_directory
from gatepost.auth.backends.pam import Pam
from gatepost.auth.backends.reread import version
from gatepost.auth.backends.sql import SqlUsers, table_of
from gatepost.auth.backends.token_opening import open_tokens
from gatepost.auth.backends.user_file import UserFile
from gatepost.auth.guard import Guard, GuardSettings
from gatepost.auth.patient import Patient
from gatepost.auth.port import Attempt, Checker, ScramDecoys
from gatepost.auth.remembered import Remembered
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.tables import files_of_tables
from gatepost.deliver.privileged import RIGHT, CheckPassword, Done
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable as NotOpened
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.sparing import Sparing
from gatepost.proto.sasl.port import IsPassword, IsToken, Question, Unavailable, Verdict
from gatepost.service.materials import Materials
from gatepost.state.guesses import guesses
from gatepost.state.login_cache import LoginCache


class _Settings(Struct, frozen=True):
    """Times in seconds."""

    smtpd_auth_backends: str
    smtpd_auth_cache_negative_time: int
    smtpd_auth_cache_size: int
    smtpd_auth_cache_time: int
    smtpd_auth_guess_time_unit: int
    smtpd_auth_refusal_delay: int
    smtpd_auth_timeout: int
    smtpd_client_event_limit_exceptions: str


Make = Callable[[], Checker]


class KnownUsers(Struct, frozen=True):
    """Who knows the users of a service. `decoys`: what SCRAM tells of others."""

    checker: Checker
    decoys: ScramDecoys


def known_users(
    materials: Materials, overrides: Mapping[str, str], tables: Tables, warn: Callable[[str], None], others: Mapping[str, Make]
) -> KnownUsers | None:
    """Who knows the users of a service; None where smtpd_auth_backends is empty. `others`: what makes the back ends that are not
    built here, by their word. Raises ConfigurationError for a word that names none."""
    settings = materials.configuration.view(_Settings, overrides)
    chosen = named_backends(materials, overrides)
    if not chosen:
        return None
    opened = _Openings(materials, settings, warn, others)
    in_turn = InTurn([Named(one.word, opened.open(one)) for one in chosen], settings.smtpd_auth_timeout)
    cache = LoginCache(
        time.monotonic,
        lifetime=settings.smtpd_auth_cache_time,
        negative_lifetime=settings.smtpd_auth_cache_negative_time,
        most=settings.smtpd_auth_cache_size,
    )
    remembered = Remembered(_guarded(materials, overrides, tables, in_turn), cache, partial(_realm, chosen))
    return KnownUsers(_patient(settings, remembered), in_turn.decoys)


def asked_each_time(materials: Materials, overrides: Mapping[str, str], tables: Tables, checker: Checker) -> Checker:
    """A back end behind the guard, of which nothing is remembered: of smtpd_sasl_type = cyrus people expect what Postfix does.
    saslauthd has a cache of its own (-c), and without saslauthd nobody logs in."""
    return _patient(materials.configuration.view(_Settings, overrides), _guarded(materials, overrides, tables, checker))


def _patient(settings: _Settings, checker: Checker) -> Checker:
    return Patient(checker, settings.smtpd_auth_refusal_delay, time.monotonic, asyncio.sleep)


def _realm(chosen: tuple[Backend, ...], attempt: Attempt) -> str:
    """What an answer depends on beside user and password: files as they are now; for PAM, where the user is (pam_access(8)); for
    Dovecot, also whether that is under TLS (allow_nets, disable_plaintext_auth)."""
    return " ".join(_DEPENDS[one.kind](one, attempt) for one in chosen if one.kind in _DEPENDS)


_DEPENDS: Mapping[str, Callable[[Backend, Attempt], str]] = {
    "dovecot": lambda backend, attempt: f"{attempt.client_address} {attempt.secured}",
    "file": lambda backend, attempt: str(version(backend.name)),
    "pam": lambda backend, attempt: attempt.client_address,
}


def _guarded(materials: Materials, overrides: Mapping[str, str], tables: Tables, checker: Checker) -> Checker:
    """A back end behind the guard of its service."""
    settings = materials.configuration.view(_Settings, overrides)
    name = "smtpd_client_event_limit_exceptions"
    return Guard(
        checker,
        materials.configuration.view(GuardSettings, overrides),
        guesses(materials.guess_tables, settings.smtpd_auth_guess_time_unit, materials.clock),
        MatchList.hosts(settings.smtpd_client_event_limit_exceptions, tables, name, tables.warn).matches,
    )


def named_backends(materials: Materials, overrides: Mapping[str, str]) -> tuple[Backend, ...]:
    """smtpd_auth_backends. Raises ConfigurationError."""
    try:
        return backends(materials.configuration.value("smtpd_auth_backends", overrides))
    except WrongWord as wrong:
        fault = materials.configuration.fault("smtpd_auth_backends", f"smtpd_auth_backends: {wrong}", "correct the word", overrides)
        raise ConfigurationError((fault,)) from None


def parameter_files(configuration: Configuration) -> list[str]:
    """The files with the parameters of `ldap:`, `sql:` and `oauth:` back ends. Passwords for their servers stand there, often for
    root's eyes only."""
    settings = (None, *(entry.overrides for entry in configuration.services))
    return [file for overrides in settings for file in files_of_tables(configuration.value("smtpd_auth_backends", overrides))]


class _Openings:
    """What opens back ends."""

    def __init__(self, materials: Materials, settings: _Settings, warn: Callable[[str], None], others: Mapping[str, Make]) -> None:
        self._materials = materials
        self._settings = settings
        self._warn = warn
        self._others = others
        self._tables = Tables(warn, fold=False, strict=True, access=ServerAccess(lambda: materials.configuration))
        self._kinds: Mapping[str, Callable[[str], Checker]] = {
            "file": self._file,
            "ldap": self._ldap,
            "oauth": self._oauth,
            "pam": self._pam,
            "sql": self._sql,
        }

    def open(self, backend: Backend) -> Checker:
        """The back end; where it cannot be opened, one that never knows."""
        try:
            if backend.kind in self._others:
                return self._others[backend.kind]()
            return self._kinds[backend.kind](backend.name)
        except NotOpened as failure:
            why = failure.why
        except ValueError as wrong:
            why = str(wrong)
        self._warn(f"smtpd_auth_backends: {backend.word}: {why}")
        return Missing(why, IsToken if backend.kind == "oauth" else IsPassword)

    def _file(self, path: str) -> Checker:
        return UserFile(path, self._materials.hashing, self._warn, _decoy_key(self._materials))

    def _ldap(self, name: str) -> Checker:
        return open_directory(Opening("ldap", name, self._tables, self._sparingly(), time.monotonic, fold=False))

    def _oauth(self, path: str) -> Checker:
        return open_tokens(path, self._materials.network, self._sparingly())

    def _pam(self, name: str) -> Checker:
        return Pam(self._ask_pam)

    def _sql(self, path: str) -> Checker:
        return SqlUsers(self._tables.open(table_of(path)), self._materials.hashing, self._sparingly())

    def _sparingly(self) -> Callable[[str], None]:
        """Tells what a client could have told over and over."""
        sparing = Sparing(self._warn, time.monotonic)
        return lambda text: sparing.warn(text, text)

    async def _ask_pam(self, service: str, user: str, password: bytes, client: str) -> bool | str:
        limit = float(self._settings.smtpd_auth_timeout)
        answer = await self._materials.agent.ask(CheckPassword(service, user, password, client, limit))
        return answer.data == RIGHT if isinstance(answer, Done) else answer.text


def _decoy_key(materials: Materials) -> bytes:
    """The same in all workers, and of this start only."""
    return hmac.digest(materials.guess_tables.key, b"salts of users that there are not", "sha256")


class Missing:
    """A Checker in the place of one that cannot be opened: nobody gets in by it, and nobody is told that his password is wrong.
    `answers`: the kind of question that it would have answers for."""

    def __init__(self, why: str, answers: type[Question]) -> None:
        self._why = why
        self.answers: frozenset[type[Question]] = frozenset((answers,))

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        return Unavailable(self._why)
