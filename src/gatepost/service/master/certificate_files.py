"""Certificates that are renewed while the mail system runs: their files are looked at, and new workers have the new ones.

Workers have no right to read private keys, so the supervisor looks. It starts other workers with the configuration as it stands in
memory; main.cf is not read again. What cannot be loaded, a key without its new certificate say, is told of once, and the workers
go on with what they have.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.config.programs import program
from gatepost.events.records import Emit
from gatepost.mail.ascii_text import elements
from gatepost.net.tls import TlsServerSettings
from gatepost.net.tls_parameters import TlsFailure
from gatepost.service.postscreen_tls import tls_overrides
from gatepost.service.smtpd import load_tls

EVERY: Final = 10.0
"""Seconds between two looks."""
_LISTS: Final = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_eccert_file",
                 "smtpd_tls_eckey_file", "smtpd_tls_CAfile")  # fmt: skip

Signature = tuple[tuple[str, int, int, int], ...]
"""Of each file that there is: name, inode, size and time of change."""


class Certificates(Struct, frozen=True):
    """What there was before workers began to load it. `broken`: what was wrong already, which keeps no others from new ones."""

    files: tuple[str, ...] = ()
    signature: Signature = ()
    broken: frozenset[str] = frozenset()


def look(configuration: Configuration) -> Certificates:
    """The certificates of a configuration as they are now."""
    files = files_of(configuration)
    return Certificates(files, signature(files), frozenset(unusable(configuration)) if files else frozenset())


class CertificateFiles:
    """The certificates that are served. `clock`: monotonic seconds; `warn`: for the log."""

    def __init__(self, clock: Callable[[], float], warn: Callable[[str], object]) -> None:
        self._clock = clock
        self._warn = warn
        self._served = Certificates()
        self._seen: Signature = ()
        self._next = 0.0

    def watch(self, served: Certificates) -> None:
        """These are the ones that are served from now on."""
        self._served, self._seen = served, served.signature
        self._next = self._clock() + EVERY

    def renewed(self, configuration: Configuration) -> bool:
        """Whether there are others since, and all of them can be used; looks once in a while only."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + EVERY
        found = signature(self._served.files)
        if found == self._seen:
            return False
        self._seen = found
        failures = [text for text in dict.fromkeys(unusable(configuration)) if text not in self._served.broken]
        for text in failures:
            self._warn(f"{text}: the certificates from before are still used")
        return not failures


def files_of(configuration: Configuration) -> tuple[str, ...]:
    """The files of certificates, keys and authorities of all services, each once."""
    found: dict[str, None] = {}
    for entry in _serving(configuration):
        settings = configuration.view(TlsServerSettings, tls_overrides(configuration, entry))
        for name in _LISTS:
            found |= dict.fromkeys(file for file in elements(getattr(settings, name)) if file != "none")
    return tuple(found)


def _serving(configuration: Configuration) -> Iterator[ServiceEntry]:
    """The services that clients speak TLS with."""
    for entry in configuration.services:
        if program(entry.program).guards or program(entry.program).takes_mail:
            yield entry


def signature(files: tuple[str, ...]) -> Signature:
    """What tells files from others of the same names; those that cannot be looked at are left out."""
    found = []
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        found.append((file, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def unusable(configuration: Configuration) -> list[str]:
    """Why the certificates of services cannot be used as they are now."""
    nowhere: Emit = lambda event: None  # noqa: E731
    loaded = (load_tls(configuration, entry, nowhere) for entry in _serving(configuration))
    return [str(tls) for tls in loaded if isinstance(tls, TlsFailure)]
