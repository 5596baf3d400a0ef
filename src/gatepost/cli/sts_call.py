"""What `gatepost sts` does. Whatever it needs is imported before mail_owner acts, who may not be able to read the installation."""

import asyncio
import encodings.idna  # noqa: F401 (what ssl needs for a server's name)
import random
import ssl  # noqa: F401 (what net/https imports at its first use)
import time
from collections.abc import Awaitable, Callable, Mapping

import aiodns.error  # noqa: F401 (what net/dns imports at its first use)
import h11  # noqa: F401
import pycares  # noqa: F401

from gatepost.cli.command import Command, Fatal
from gatepost.cli.state_call import StateCall
from gatepost.cli.terminal import date, shown
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts import NotFetched
from gatepost.deliver.sts_cache import UNKNOWN, Known, StsCache
from gatepost.deliver.sts_fetch import over_https
from gatepost.mail.domain import to_ascii
from gatepost.net.connect import SocketConnector
from gatepost.net.dns import AresResolver
from gatepost.net.host_names import valid_hostname
from gatepost.net.port import DnsFailure
from gatepost.net.stream_client import Network
from gatepost.proto.mta_sts import BadSts, StsPolicy, read_policy, record_id

_LISTED = "{:<40} {:<8} {:<19}  {}"


class Call(StateCall):
    """One call of the command: its word, and the settings. Raises Fatal where the word is no domain."""

    def __init__(self, command: Command, domain: str) -> None:
        super().__init__(command)
        self.settings = command.configuration.view(SmtpSettings)
        try:
            self.domain = to_ascii(domain.lower().rstrip("."))
        except UnicodeError:
            self.domain = "?"
        if domain and not valid_hostname(self.domain):
            raise Fatal(f"{shown(domain)} is no domain", logged=False)

    @property
    def cache(self) -> StsCache:
        return StsCache(self.state, time.time)

    async def asked(self) -> tuple[str, StsPolicy]:
        """The id and the policy that the domain has now. Raises DnsFailure, BadSts, NotFetched."""
        settings, resolver = self.settings, AresResolver(time.monotonic)
        network = Network(SocketConnector(), resolver, time.monotonic, asyncio.sleep, random.random)
        fetch = over_https(
            network, seconds=settings.smtp_tls_mta_sts_timeout,
            ca_file=settings.smtp_tls_CAfile, ca_path=settings.smtp_tls_CApath,
            warn=lambda text: self.command.warn(text, logged=False),
        )  # fmt: skip
        try:
            record = record_id(await resolver.txt(f"_mta-sts.{self.domain}"))
            return record, read_policy(await fetch(self.domain))
        finally:
            await resolver.close()


Verb = Callable[[Call], Awaitable[int]]


async def list_(call: Call) -> int:
    rows = [(domain, known) async for domain, known in call.cache.all()]
    if rows:
        print(_LISTED.format("DOMAIN", "MODE", "COUNTS UNTIL (UTC)", "MX").rstrip())
    for domain, known in rows:
        policy = known.counting(time.time())
        if policy is None:
            print(_LISTED.format(shown(domain), "-", "-", shown(known.why)).rstrip())
        else:
            print(_LISTED.format(shown(domain), policy.mode.value, date(int(known.expires)), " ".join(policy.mx)).rstrip())
    return 0


async def show(call: Call) -> int:
    print(call.domain)
    if call.settings.smtp_tls_mta_sts == "no":
        call.command.warn("smtp_tls_mta_sts = no: mail does not go by policies of MTA-STS", logged=False)
    known = await call.cache.known(call.domain)
    _tell_known(known)
    try:
        record, policy = await call.asked()
    except (DnsFailure, BadSts, NotFetched) as lack:
        print(f"    now: none; {shown(str(lack))}")
        return 0 if known.counting(time.time()) else 1
    print(f"    now: id {record}, max_age {policy.max_age}, mode {policy.mode.value}")
    for host in policy.mx:
        print(f"        mx {host}")
    return 0


def _tell_known(known: Known) -> None:
    policy = known.counting(time.time())
    if known is UNKNOWN:
        print("    known: nothing")
    if policy is not None:
        print(f"    known: id {known.id}, until {date(int(known.expires))}, mode {policy.mode.value}")
        for host in policy.mx:
            print(f"        mx {host}")
    if known.failed:
        print(f"    asked in vain at {date(int(known.failed))}: {shown(known.why)}")


async def forget(call: Call) -> int:
    was = await call.cache.forget(call.domain)
    text = f"{call.domain}: {'forgotten' if was else 'nothing was known'}"
    print(text)
    if was:
        call.command.log(text)
    return 0 if was else 1


VERBS: Mapping[str, Verb] = {"list": list_, "show": show, "forget": forget}
