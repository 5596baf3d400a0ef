"""Everything that a worker will ever import, imported before it is forked: it shares those pages with its siblings, starts at
once, and needs no file of the installation once its privileges are gone (Python may live where `mail_owner` cannot read)."""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from typing import Any

import gatepost
from gatepost.config.configuration import Configuration
from gatepost.config.tables import files_of_tables
from gatepost.lookup import library
from gatepost.lookup.server_parameters import file_settings
from gatepost.service.roles import SCANNER

# What our rooms and the libraries that they use import only when first needed.
_LAZY = (
    "aiodns", "asyncio.staggered", "base64", "binascii", "ctypes.util", "difflib", "encodings.ascii", "encodings.cp1252",
    "encodings.cp437", "encodings.idna", "encodings.latin_1", "encodings.punycode", "encodings.unicode_escape", "encodings.utf_16",
    "encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_8", "getopt", "heapq", "idna.uts46data",
    "ifaddr", "lmdb", "pwd", "pycares", "socket", "sqlite3", "ssl", "stringprep", "unicodedata", "uvloop",
)  # fmt: skip
_NOT_OURS = ("gatepost.cli",)

# Six megabytes that only scanners need: of the filter, workers import what their gates do. What scanners import besides, they do
# themselves (service/scanner/warmth.py).
_FOR_SCANNING = ("gatepost.filter.", "gatepost.service.scanner", "gatepost.service.learned", "gatepost.service.check.filter_rules")

# Ten megabytes that only certificates need.
_FOR_TLS = (
    "cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.kdf.hkdf",
    "cryptography.hazmat.primitives.serialization", "cryptography.x509", "cryptography.x509.oid",
)  # fmt: skip

# Five megabytes that only DNSSEC needs: the library finds the types of records by name.
_FOR_DNSSEC = (
    "dns.message", "dns.resolver", *(f"dns.rdtypes.ANY.{name}" for name in ("CNAME", "DNAME", "MX", "NS", "NSEC", "NSEC3", "OPT",
    "RRSIG", "SOA", "TLSA", "TXT")), *(f"dns.rdtypes.IN.{name}" for name in ("A", "AAAA", "SRV")),
)  # fmt: skip

_FOR_FETCHING = ("h11",)

# Two and a half megabytes, and what certificates need.
_FOR_TOKENS = ("jwt.algorithms", "jwt.api_jws", "jwt.exceptions", *_FOR_TLS)

_FETCHERS: Mapping[str, str] = {
    "smtpd_auth_backends": "oauth:",
    "smtp_tls_mta_sts": "",
    "lmtp_tls_mta_sts": "",
    "smtp_tlsrpt_enable": "yes",
    "lmtp_tlsrpt_enable": "yes",
}
"""The parameters by which something is fetched over HTTPS (net/https.py), and what their value has then; empty: anything."""


def may_use_tls(configuration: Configuration) -> bool:
    """Whether anything at all is set that has to do with TLS."""
    names = (configuration.settings, *(entry.overrides for entry in configuration.services))
    return any("tls" in name.lower() for settings in names for name in settings)


def may_use_dnssec(configuration: Configuration) -> bool:
    """Whether any client is to ask whether DNSSEC vouches for an answer (smtp_dns_support_level)."""
    names = (configuration.settings, *(entry.overrides for entry in configuration.services))
    return any(name.endswith("_dns_support_level") for settings in names for name in settings)


def may_fetch(configuration: Configuration) -> bool:
    """Whether anything is to be fetched over HTTPS, by main.cf or a service of master.cf."""
    own = ((setting.name, setting.value) for setting in configuration.settings.values())
    overrides = (pair for entry in configuration.services for pair in entry.overrides.items())
    return any(name in _FETCHERS and _FETCHERS[name] in value for name, value in (*own, *overrides))


def may_see_tokens(configuration: Configuration) -> bool:
    """Whether anybody may log in by a token."""
    return any("oauth:" in value for value in _values(configuration))


def table_types(configuration: Configuration) -> Collection[str]:
    """The types of tables that have a library of their own and may be named, in main.cf, in master.cf or in a table."""
    values = _values(configuration)
    files = {file for value in values for file in files_of_tables(value)}
    values += (value for file in files for _, value in file_settings(file))  # memcache's backup
    return [kind for kind in library.MODULES if any(f"{kind}:" in value for value in values)]


def _values(configuration: Configuration) -> list[str]:
    """All that stand in main.cf and master.cf, as they are written."""
    overrides = (value for entry in configuration.services for value in entry.overrides.values())
    return [*(setting.value for setting in configuration.settings.values()), *overrides]


def needs(configuration: Configuration) -> Mapping[str, Any]:
    """What `import_all` is to be asked for."""
    return {
        "tls": may_use_tls(configuration),
        "dnssec": may_use_dnssec(configuration),
        "fetching": may_fetch(configuration),
        "tokens": may_see_tokens(configuration),
        "tables": table_types(configuration),
        "scanning": SCANNER.is_wanted(configuration),
    }


def import_all(
    *,
    tls: bool,
    dnssec: bool = False,
    fetching: bool = False,
    tokens: bool = False,
    tables: Collection[str] = (),
    scanning: bool = False,
) -> None:
    """Import every room but the commands, and what they import lazily; `tls`: also what certificates need; `dnssec`, `fetching`,
    `tokens`: what DNSSEC, HTTPS and tokens need; `tables`: what these types of tables need, where it is installed;
    `scanning`: what only scanners need. Raises ImportError."""
    left_out = _NOT_OURS if scanning else (*_NOT_OURS, *_FOR_SCANNING)
    for module in pkgutil.walk_packages(gatepost.__path__, "gatepost."):
        if not module.name.startswith(left_out):
            importlib.import_module(module.name)
    chosen = {_LAZY: True, _FOR_TLS: tls, _FOR_DNSSEC: dnssec, _FOR_FETCHING: fetching, _FOR_TOKENS: tokens}
    for name in (name for names, wanted in chosen.items() if wanted for name in names):
        importlib.import_module(name)
    library.preload(tables)
