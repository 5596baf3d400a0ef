"""Domains with policies of MTA-STS, their policy hosts, their servers, and a Gatepost that sends mail to them (root)."""

import shutil
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tests.support.certificate import Certificate, issue, make
from tests.support.name_server import ZoneServer
from tests.support.policy_host import Answer, PolicyHost, page, policy
from tests.support.running import MASTER, System
from tests.support.sink import Sink

TLS = (b"STARTTLS", b"8BITMIME")


class Domain(Struct, frozen=True):
    """One domain, `{}` being its name.

    - `file`: what its policy host answers; None: it has no record.
    - `name`: what the certificate of its server is for; `trusted`: by an authority that is trusted.
    - `keywords`: what its server offers.
    - `policy_name`: what the certificate of its policy host is for.
    - `exchangers`: MX records.
    """

    file: Answer | None = page(policy("enforce", "mx.{}"))
    name: str = "mx.{}"
    trusted: bool = True
    keywords: tuple[bytes, ...] = TLS
    policy_name: str = "mta-sts.{}"
    exchangers: tuple[str, ...] = ("10 mx.{}",)


class StsWorld:
    """`domains`: by the first label of their name, the rest is `.test`; `main`: parameters beside those that are usual here. Mail
    for a domain goes to its sink, `sinks[label]`."""

    def __init__(self, domains: Mapping[str, Domain], main: Mapping[str, str] | None = None) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="sts-"))
        folder.chmod(0o755)
        good, evil = make(folder / "good", "x.test"), make(folder / "evil", "x.test")
        self.authority = good.authority
        policies: dict[str, Answer] = {}
        certificates: dict[str, Certificate] = {"": good}
        self.sinks: dict[str, Sink] = {}
        for label, domain in domains.items():
            name = f"{label}.test"
            by = (good if domain.trusted else evil).authority.parent
            served = issue(folder / label, domain.name.format(name), by)
            self.sinks[label] = Sink(keywords=domain.keywords, tls=_context(served))
            certificates[name] = issue(folder / f"{label}-policy", domain.policy_name.format(name), good.authority.parent)
            if domain.file is not None:
                file = domain.file
                policies[name] = page(_body(file).replace(b"{}", name.encode())) if _is_plain(file) else file
        self.policies = PolicyHost(policies, certificates)
        self.domains = domains
        self.dns = ZoneServer(self.zone())
        routes = ", ".join(f"{{ {label}.test = smtp:{label}.test:{sink.port} }}" for label, sink in self.sinks.items())
        self.system = System(
            {
                "smtp_tls_mta_sts": "yes",
                "smtp_tls_security_level": "may",
                "smtp_tls_loglevel": "1",
                "smtp_tls_CAfile": str(self.authority),
                "smtp_starttls_timeout": "5s",
                "transport_maps": f"inline:{{ {routes} }}",
                "minimal_backoff_time": "1s",
                "maximal_backoff_time": "1s",
                "smtp_connection_cache_on_demand": "no",
                **(main or {}),
            },
            MASTER,
            prefix=self.dns.prefix,
        )

    def zone(self, *, without: tuple[str, ...] = (), **ids: str) -> str:
        """The zone: `without` the records of these labels; `ids`: of their policies, which are `1` else."""
        lines = []
        for label, domain in self.domains.items():
            name = f"{label}.test"
            lines += (f"{name} MX {exchanger.format(name)}" for exchanger in domain.exchangers)
            lines += (f"mx.{name} A 127.0.0.1", f"mx2.{name} A 127.0.0.1", f"mta-sts.{name} A {self.policies.address}")
            if domain.file is not None and label not in without:
                lines.append(f'_mta-sts.{name} TXT "v=STSv1; id={ids.get(label, "1")};"')
        return "\n".join(lines)

    def send(self, label: str) -> None:
        """One message for `b@LABEL.test`."""
        assert self.system.send(sender="a@example.com", to=f"b@{label}.test")

    def close(self) -> None:
        self.system.stop()
        self.dns.close()
        self.policies.close()
        for sink in self.sinks.values():
            sink.close()
        shutil.rmtree(self._folder)


def _is_plain(file: Answer) -> bool:
    return isinstance(file, bytes) and b"{}" in file


def _body(file: Answer) -> bytes:
    assert isinstance(file, bytes)
    return file.partition(b"\r\n\r\n")[2]


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context
