"""Parameters of ACME as the process needs them."""

import hashlib
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from gatepost.acme.issue import MOST_DOMAINS
from gatepost.acme.port import HTTP_01
from gatepost.config.configuration import Configuration
from gatepost.config.faults import Fault
from gatepost.config.master import ServiceEntry
from gatepost.config.ports import known_ports
from gatepost.mail.domain import to_ascii
from gatepost.net import url as urls
from gatepost.net.host_names import numeric_address, valid_hostname
from gatepost.service.master.listeners import Address, BindFailure, inet_addresses
from gatepost.service.settings import MasterSettings


class AcmeSettings(Struct, frozen=True):
    """As written."""

    queue_directory: str
    acme_challenge: str
    acme_contact: tuple[str, ...]
    acme_directory_ca_file: str
    acme_directory_url: str
    acme_domains: tuple[str, ...]
    acme_eab_key_file: str
    acme_eab_key_id: str
    acme_http_listen: str
    acme_key_type: str
    acme_tls_alpn_listen: str

    @property
    def domains(self) -> tuple[str, ...]:
        """acme_domains in A-labels and lower case, each once. Raises UnicodeError."""
        return tuple(dict.fromkeys(to_ascii(domain).lower().rstrip(".") for domain in self.acme_domains))

    @property
    def digest(self) -> str:
        """Of all of them: whether an attempt would be another one than the last."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:32]


def addresses(configuration: Configuration) -> list[Address]:
    """Where challenges are answered. Raises BindFailure."""
    name = _listen(configuration)
    where, listen = configuration.fault(name, "", ""), configuration.value(name)
    entry = ServiceEntry((listen, "inet", "n", "-", "n", "-", "-", "acme"), (), where.file, where.line)
    master = configuration.view(MasterSettings)
    return inet_addresses(entry, master, known_ports(master.known_tcp_ports))


def _listen(configuration: Configuration) -> str:
    """The parameter that says where challenges are answered."""
    return "acme_http_listen" if configuration.value("acme_challenge") == HTTP_01 else "acme_tls_alpn_listen"


def wrong(configuration: Configuration) -> Iterator[Fault]:
    """Values with which no certificate can come."""
    settings = configuration.view(AcmeSettings)
    try:
        if urls.parse(settings.acme_directory_url).scheme != "https":
            raise ValueError("https is needed")
    except ValueError as error:
        yield configuration.fault("acme_directory_url", f"{settings.acme_directory_url}: {error}", "write the URL of the directory")
    try:
        names = settings.domains
    except UnicodeError:
        names = ("",)
    bad = [name for name in names if "." not in name or not valid_hostname(name) or numeric_address(name)]
    if bad or not 0 < len(names) <= MOST_DOMAINS:
        told = f"acme_domains: no host name: {bad[0]}" if bad else f"acme_domains: {len(names)} domains"
        yield configuration.fault("acme_domains", told, f"name 1 to {MOST_DOMAINS} hosts; these challenges allow no wildcards")
    try:
        addresses(configuration)
    except BindFailure as error:
        name = _listen(configuration)
        yield configuration.fault(name, str(error).partition(": ")[2], "write a port, or host:port")
    if bool(settings.acme_eab_key_id) is not bool(settings.acme_eab_key_file):
        yield configuration.fault("acme_eab_key_id", "acme_eab_key_id and acme_eab_key_file go together", "set both, or none")
