"""Restriction lists played from a compact text of facts: what is configured, what a client says, what it must hear.

A case is a paragraph; its first line, `## name`, tells it from the next. Lines:

    main NAME = VALUE      a parameter of main.cf, on top of a small common one
    table NAME TEXT        one more line of a table file, found as $config_directory/NAME
    dns RECORD             one more record of the zone
    client NAME ADDRESS    who connects; `reverse NAME` its unverified name
    helo NAME, mail ADDRESS, rcpt ADDRESS, vrfy ADDRESS, etrn DOMAIN, data, eod
                           a stage is reached; an address `<>` is the null sender
    verified ADDRESS STATUS TEXT
                           what probes have said of an address: `deliverable`, `deferred`, `undeliverable`, or `fails`: nobody knows
    fact NAME VALUE        any other fact of the session, `yes` and `no` for flags
    > REPLY                the reply to the last stage, `>` alone: go on
    * KIND WHAT | VALUE    an action it asked for, in order
    ! WARNING              a line of our log
    = RULE RESULT          a step of its trace that says something
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from gatepost.config.configuration import Configuration
from gatepost.config.loading import read
from gatepost.events.records import Event, Note
from gatepost.identity.spf.check import Checker, Lists
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network
from gatepost.policy.engine import RestrictionPolicy
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.policy.policy_servers import PolicyServers
from gatepost.policy.port import Facts, Stage, Verdict
from gatepost.policy.settings import PolicySettings
from gatepost.policy.sources import Sources
from gatepost.policy.verify.findings import IN_PROGRESS, Deliverability, Finding
from gatepost.routing.recipients import Recipients
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import StateUnavailable
from tests.support.fake_dns import FakeDns

COMMON = """\
compatibility_level = 3.6
myhostname = mail.example.test
mydomain = example.test
mydestination = mail.example.test, example.test, localhost.example.test, localhost
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
local_recipient_maps = inline:{alice=x, bob=x, carol=x, postmaster=x, root=x}
"""


class Told:
    """A verifier that knows what `verified` lines say of addresses."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding | None] = {}

    def tell(self, address: str, status: str, text: str) -> None:
        self.findings[address] = None if status == "fails" else Finding(Deliverability[status.upper()], text.strip())

    async def verify(self, address: str, client: str, *, stressed: bool) -> Finding:
        finding = self.findings.get(address, IN_PROGRESS)
        if finding is None:
            raise StateUnavailable("no")
        return finding

    def own_sender(self, address: str) -> str | None:
        return address if address.startswith("double-bounce@") else None


class World:
    """One configuration with its policy, and one client's session."""

    def __init__(self, directory: Path, zone: str) -> None:
        self.configuration = read(directory)
        self.log: list[str] = []
        self.slept: list[float] = []
        self.verifier = Told()
        self.dns = FakeDns(zone)
        self.now = 1_700_000_000.0
        self.state = LocalStateStore(lambda: self.now)
        self.policy = RestrictionPolicy(self.sources(), classes(self.configuration))
        self.facts = Facts()
        self.verdict = Verdict()

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.log.append(event.text)

    def sources(self) -> Sources:
        settings = self.configuration.view(PolicySettings)
        tables = Tables(self.log.append)
        addresses = self.configuration.value("inet_interfaces").replace(",", " ").split()
        parents = self.configuration.value("parent_domain_matches_subdomains").replace(",", " ").split()
        network = Network(SocketConnector(), self.dns, time.monotonic, self.sleep, lambda: 0.0)
        routing = Routing(self.configuration.view(RoutingSettings), tables, frozenset(addresses), mapping=tables)
        return Sources(
            settings=settings,
            tables=tables,
            router=routing,
            recipients=Recipients(routing, routing.settings, "double-bounce", tables),
            verifier=self.verifier,
            resolver=self.dns,
            networks=MatchList.hosts(self.configuration.value("mynetworks"), tables, "mynetworks", self.log.append),
            addresses=MatchList.addresses(" ".join(addresses), tables, "inet_interfaces", self.log.append),
            dotless_parents="smtpd_access_maps" in parents,
            policy_servers=PolicyServers(settings, network, self.log.append),
            sleep=self.sleep,
            emit=self.emit,
            spf=self.spf(tables),
            greylister=self.greylister(),
            told_permits=self.told_permits(tables),
        )

    def told_permits(self, tables: Tables) -> MatchList | None:
        listed = self.configuration.value("smtpd_log_access_permit_actions")
        return MatchList.strings(listed, tables, "permits", self.log.append) if listed else None

    def spf(self, tables: Tables) -> Checker:
        settings = self.configuration.view(SpfSettings)
        return Checker(settings, Lists.opened(settings, tables), lambda client: self.dns, lambda: 0.0)

    def greylister(self) -> Greylister:
        settings = self.configuration.view(GreylistSettings)
        whitelists = Whitelists(settings, self.log.append, lambda: 0.0)
        return Greylister(settings, self.state, whitelists, lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def reach(self, stage: Stage, state: str) -> Verdict:
        self.facts.protocol_state = state
        self.verdict = asyncio.run(self.policy.check(stage, self.facts))
        return self.verdict


def classes(configuration: Configuration) -> dict[str, str]:
    """The definitions of smtpd_restriction_classes."""
    names = configuration.value("smtpd_restriction_classes").replace(",", " ").split()
    return {name: configuration.value(name) for name in names}


def paragraphs(text: str) -> Iterator[tuple[str, list[str]]]:
    """(name, lines) of each case."""
    for paragraph in text.split("\n## ")[1:]:
        name, *lines = paragraph.splitlines()
        yield name.strip(), [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def play(lines: list[str], directory: Path, zone: str = "") -> list[str]:
    """The lines as they would have to read: what was said to the client and to the log, in place of what was expected."""
    settings = [line for line in lines if line.split()[0] in _SETTING]
    _configure(settings, directory)
    records = "\n".join(line[4:] for line in settings if line.startswith("dns "))
    world = World(directory, f"{zone}\n{records}")
    heard: list[str] = []
    pending: list[str] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in _SETTING:
            heard.append(line)
        elif word in _EXPECTED:
            pending.append(word)
        else:
            heard += _told(world, pending)
            pending = []
            _do(world, word, rest)
            heard.append(line)
    return heard + _told(world, pending)


_SETTING = frozenset({"main", "table", "dns"})
_EXPECTED = frozenset({">", "*", "!", "="})


def _configure(settings: list[str], directory: Path) -> None:
    main = [COMMON]
    for line in settings:
        word, _, rest = line.partition(" ")
        if word == "main":
            main.append(rest)
        elif word == "table":
            name, _, text = rest.partition(" ")
            with open(directory / name, "a") as file:
                file.write(text + "\n")
    (directory / "main.cf").write_text("\n".join(main) + "\n")
    (directory / "master.cf").write_text("smtp inet n - n - - smtpd\n")


def _do(world: World, word: str, rest: str) -> None:
    facts = world.facts
    world.log.clear()
    if word == "client":
        facts.client_name, facts.client_address = rest.split()
        facts.reverse_client_name = facts.client_name
        if facts.client_name == "unknown":
            facts.client_name_code = facts.reverse_client_name_code = 5
        world.reach(Stage.CLIENT, "CONNECT")
    elif word == "verified":
        world.verifier.tell(*f"{rest}  ".split(" ", 2))
    elif word == "fact":
        name, _, value = rest.partition(" ")
        setattr(facts, name, {"yes": True, "no": False}.get(value, int(value) if value.isdigit() else value))
    else:
        name, stage, state = _STAGES[word]
        if name:
            setattr(facts, name, "" if rest == "<>" else rest)
        world.reach(stage, state)


_STAGES = {
    "helo": ("helo_name", Stage.HELO, "HELO"),
    "mail": ("sender", Stage.SENDER, "MAIL"),
    "rcpt": ("recipient", Stage.RECIPIENT, "RCPT"),
    "vrfy": ("recipient", Stage.RECIPIENT, "VRFY"),
    "etrn": ("etrn_domain", Stage.ETRN, "ETRN"),
    "data": ("", Stage.DATA, "DATA"),
    "eod": ("", Stage.END_OF_DATA, "END-OF-MESSAGE"),
}


def _told(world: World, asked: list[str]) -> list[str]:
    """What was said, in the order of the kinds of lines that the case has; a kind it has not is not told."""
    outcome = world.verdict.outcome
    everything = {
        ">": ["> " + f"{outcome.code} {outcome.enhanced} {outcome.text}" if outcome else ">"],
        "*": [f"* {action.kind} {action.what} | {action.value}" for action in world.verdict.actions],
        "!": [f"! {text}" for text in world.log],
        "=": [f"= {step.rule} {step.result}" for step in world.verdict.trace if step.result != "dunno"],
    }
    return [line for kind in dict.fromkeys(asked) for line in everything[kind]]
