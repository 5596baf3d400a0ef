"""check_host() (RFC 7208 §4): a plan that asks for DNS answers and comes to a verdict. No sockets, no clock.

What a policy may cost is bounded: ten terms that ask the DNS, ten exchangers, ten names of the client, a few void answers (§4.6.4).
"""

import re
import socket
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from msgspec import Struct

from gatepost.identity.spf.macro import (
    NAME_LIMIT,
    MacroError,
    MacroString,
    expand_name,
    expand_text,
    explain_string,
)
from gatepost.identity.spf.port import Answer, Case, Plan, Question, Result, Verdict
from gatepost.identity.spf.record import Directive, Network, Record, RecordError, chosen, parse
from gatepost.mail.domain import to_ascii

TERMS_LIMIT = 10
EXCHANGERS_LIMIT = 10
NAMES_LIMIT = 10
EXPLANATION_LIMIT = 256

_DOMAIN = re.compile(r"[A-Za-z0-9_.-]+\Z", re.ASCII)

T = TypeVar("T")
Steps = Generator[tuple[Question, ...], tuple[Answer, ...], T]


class _Permanent(Exception):
    """Ends the evaluation with PERMERROR."""


class _Temporary(Exception):
    """Ends the evaluation with TEMPERROR."""


class _Match(Struct, frozen=True):
    """How a policy ended. `term`: the directive that matched; `record`, `domain`: where it stands, the last of redirects."""

    result: Result
    record: Record
    domain: str
    term: str = ""


def check_host(case: Case) -> Plan:
    """The verdict on a client and a domain."""
    domain = a_labels(case.domain)
    if not is_fully_qualified(domain):
        return Verdict(result=Result.NONE, identity=case.identity, domain=domain)
    evaluation = _Evaluation(case, domain)
    try:
        return (yield from evaluation.verdict())
    except (_Permanent, RecordError) as error:
        return evaluation.failed(Result.PERMERROR, str(error))
    except _Temporary as error:
        return evaluation.failed(Result.TEMPERROR, str(error))


def a_labels(domain: str) -> str:
    """A domain as the DNS has it, without a final dot; what is none stays as it is."""
    domain = domain.removesuffix(".").lower()
    if domain.isascii() or len(domain) > NAME_LIMIT:
        return domain
    try:
        return to_ascii(domain)
    except UnicodeError:
        return domain


def is_fully_qualified(domain: str) -> bool:
    """Whether a domain can have a policy (§4.3): more than one label, of what host names are made of; not an address."""
    _, dot, last = domain.rpartition(".")
    return bool(dot) and not last.isdigit() and _DOMAIN.match(domain) is not None and is_name(domain)


def is_name(name: str) -> bool:
    """Whether the DNS can be asked for a name. A backslash is an escape to resolvers, and no name of a policy needs one."""
    return (
        0 < len(name) <= NAME_LIMIT
        and name.isascii()
        and name.isprintable()
        and "\\" not in name
        and all(0 < len(label) <= 63 for label in name.split("."))
    )


class _Evaluation:
    """One evaluation, and what it has cost so far."""

    def __init__(self, case: Case, domain: str) -> None:
        self._case = case
        self._domain = domain
        self._client = _client(case.address)
        self._terms = 0
        self._voids = 0
        self._open = False
        self._sends_no_mail = False
        self._prefix: int | None = None
        self._values: dict[str, str] = {}
        self._names: tuple[str, ...] | None = None
        self._own_names: list[str] | None = None

    def failed(self, result: Result, problem: str) -> Verdict:
        return Verdict(result=result, identity=self._case.identity, domain=self._domain, problem=problem)

    def verdict(self) -> Plan:
        record = yield from self._policy(self._domain)
        if record is None:
            return Verdict(result=Result.NONE, identity=self._case.identity, domain=self._domain)
        self._sends_no_mail = record.sends_no_mail
        match = yield from self._evaluate(record, self._domain)
        explanation = ""
        if match.result is Result.FAIL and match.record.exp is not None:
            explanation = yield from self._explanation(match.record.exp, match.domain)
        return Verdict(
            result=match.result,
            identity=self._case.identity,
            domain=self._domain,
            term=match.term,
            prefix=self._prefix,
            open=self._open,
            sends_no_mail=self._sends_no_mail,
            explanation=explanation,
        )

    def _policy(self, domain: str) -> Steps[Record | None]:
        """The record of a domain, None where it has none (§4.4, §4.5)."""
        (answer,) = yield (Question("TXT", domain),)
        if answer.failed:
            raise _Temporary(f"no answer for {domain} type TXT")
        text = chosen(answer.values)
        if text is None:
            return None
        record = parse(text)
        self._open = self._open or record.passes_all
        return record

    def _evaluate(self, record: Record, domain: str) -> Steps[_Match]:
        """What a record comes to, and those to which it is redirected (§4.6, §6.1)."""
        while True:
            for directive in record.directives:
                if (yield from _MECHANISMS[directive.name](self, directive, domain)):
                    return _Match(directive.result, record, domain, directive.text)
            if record.redirect is None:
                self._prefix = None
                return _Match(Result.NEUTRAL, record, domain)
            self._count()
            target = yield from self._name(record.redirect, domain)
            redirected = (yield from self._policy(target)) if target else None
            if redirected is None:
                raise _Permanent(f"{domain} redirects to {target or 'no domain'}, which has no policy")
            record, domain = redirected, target

    # --- mechanisms (§5): each says whether it matches ---

    def _all(self, directive: Directive, domain: str) -> Steps[bool]:
        self._prefix = 0
        return True
        yield ()  # a plan like the others

    def _include(self, directive: Directive, domain: str) -> Steps[bool]:
        self._count()
        target = yield from self._target(directive, domain)
        if target is None:
            return False
        record = (yield from self._policy(target)) if target else None
        if record is None:
            raise _Permanent(f"{domain} includes {target or 'no domain'}, which has no policy")
        match = yield from self._evaluate(record, target)
        return match.result is Result.PASS

    def _address(self, directive: Directive, domain: str) -> Steps[bool]:
        self._count()
        target = yield from self._target(directive, domain)
        if not target:
            return False
        (answer,) = yield (Question(self._client.record, target),)
        return self._compare(answer, directive, target)

    def _exchangers(self, directive: Directive, domain: str) -> Steps[bool]:
        self._count()
        target = yield from self._target(directive, domain)
        if not target:
            return False
        (answer,) = yield (Question("MX", target),)
        hosts = self._told(answer, target, "MX")
        if len(hosts) > EXCHANGERS_LIMIT:
            raise _Permanent(f"{target} has more than {EXCHANGERS_LIMIT} mail exchangers")
        hosts = tuple(host for host in map(a_labels, hosts) if is_name(host))  # the null MX among others (RFC 7505)
        if not hosts:
            return False
        answers = yield tuple(Question(self._client.record, host) for host in hosts)
        return any(self._compare(answer, directive, host) for answer, host in zip(answers, hosts, strict=True))

    def _pointer(self, directive: Directive, domain: str) -> Steps[bool]:
        self._count()
        target = yield from self._target(directive, domain)
        self._prefix = None
        if not target:
            return False
        suffix = f".{target.lower()}"
        names = [name for name in (yield from self._pointers()) if f".{name}".endswith(suffix)]
        return bool((yield from self._validated(names)))

    def _network(self, directive: Directive, domain: str) -> Steps[bool]:
        network = directive.network
        assert network is not None, "the parser gives it one"
        if network.bits != self._client.bits or self._client.number not in network:
            return False
        self._prefix = network.prefix
        return True
        yield ()  # a plan like the others

    def _exists(self, directive: Directive, domain: str) -> Steps[bool]:
        self._count()
        target = yield from self._target(directive, domain)
        self._prefix = None
        if not target:
            return False
        (answer,) = yield (Question("A", target),)  # also of IPv6 clients (§5.7)
        return bool(self._told(answer, target, "A"))

    # --- what they have in common ---

    def _count(self) -> None:
        """One more term that asks the DNS."""
        self._terms += 1
        if self._terms > TERMS_LIMIT:
            raise _Permanent(f"more than {TERMS_LIMIT} terms that ask the DNS")

    def _told(self, answer: Answer, name: str, record: str) -> tuple[str, ...]:
        """The values of an answer to a question of the policy; void ones are counted."""
        if answer.failed:
            raise _Temporary(f"no answer for {name} type {record}")
        if not answer.values:
            self._voids += 1
            if self._voids > self._case.void_limit:
                raise _Permanent(f"more than {self._case.void_limit} void answers")
        return answer.values

    def _compare(self, answer: Answer, directive: Directive, name: str) -> bool:
        """Whether one of the addresses, widened by the prefix of the directive, is the client's."""
        client = self._client
        prefix = directive.prefixes[client.bits == 128]
        shift = client.bits - prefix
        number = client.number >> shift
        self._prefix = prefix
        values = self._told(answer, name, client.record)
        return any(_number(value, client.bits) >> shift == number for value in values)

    def _target(self, directive: Directive, domain: str) -> Steps[str | None]:
        """The domain that a mechanism is about: empty where that is none, None where its term cannot match (RFC 8616 §4)."""
        if directive.domain is None:
            return domain
        if directive.domain.letters & _OF_SENDER and not self._case.sender.rpartition("@")[0].isascii():
            return None
        return (yield from self._name(directive.domain, domain))

    def _name(self, spec: MacroString, domain: str) -> Steps[str]:
        """A domain-spec expanded; empty where the DNS cannot be asked for it (§4.8)."""
        name = expand_name(spec, (yield from self._macros(spec, domain)))
        return name if is_name(name) else ""

    def _macros(self, spec: MacroString, domain: str) -> Steps[Mapping[str, str]]:
        """The values of the macros that `spec` uses (§7.2)."""
        if not spec.letters:
            return self._values
        values = self._values or self._constant()
        values["d"] = domain
        if "p" in spec.letters:
            values["p"] = yield from self._client_name(domain)
        return values

    def _constant(self) -> dict[str, str]:
        case, client = self._case, self._client
        local, _, own_domain = case.sender.rpartition("@")
        local, own_domain = local or "postmaster", a_labels(own_domain)
        self._values = {
            "s": f"{local}@{own_domain}", "l": local, "o": own_domain, "h": a_labels(case.helo), "i": client.dotted,
            "v": "in-addr" if client.bits == 32 else "ip6", "c": client.text, "r": case.receiver, "t": str(int(case.now)),
        }  # fmt: skip
        return self._values

    # --- names of the client (§5.5): its own DNS, whose faults and void answers are not held against the policy ---

    def _client_name(self, domain: str) -> Steps[str]:
        """`%{p}`: the domain itself, else a name below it, else any; all of them validated."""
        if self._own_names is None:
            self._own_names = yield from self._validated(list((yield from self._pointers())))
        below = f".{domain.lower()}"
        return max(self._own_names, key=lambda name: (name == below[1:], name.endswith(below)), default="unknown")

    def _pointers(self) -> Steps[tuple[str, ...]]:
        if self._names is None:
            (answer,) = yield (Question("PTR", self._client.text),)
            names = map(a_labels, answer.values[:NAMES_LIMIT])
            self._names = tuple(dict.fromkeys(name for name in names if is_name(name)))
        return self._names

    def _validated(self, names: list[str]) -> Steps[list[str]]:
        """Those of the names that have the client's address."""
        if not names:
            return []
        client = self._client
        answers = yield tuple(Question(client.record, name) for name in names)
        return [
            name
            for name, answer in zip(names, answers, strict=True)
            if any(_number(value, client.bits) == client.number for value in answer.values)
        ]

    def _explanation(self, spec: MacroString, domain: str) -> Steps[str]:
        """What the domain says of a failure; nothing where anything is wrong with it (§6.2). It counts for no limit."""
        name = yield from self._name(spec, domain)
        if not name:
            return ""
        (answer,) = yield (Question("TXT", name),)
        if len(answer.values) != 1:
            return ""
        try:
            text = explain_string(answer.values[0])
        except MacroError:
            return ""
        explanation = expand_text(text, (yield from self._macros(text, domain)), EXPLANATION_LIMIT)
        return "".join(c if " " <= c <= "~" else "?" for c in explanation)


_OF_SENDER = frozenset("sl")

_MECHANISMS: Mapping[str, Callable[[_Evaluation, Directive, str], Steps[bool]]] = {
    "all": _Evaluation._all,
    "include": _Evaluation._include,
    "a": _Evaluation._address,
    "mx": _Evaluation._exchangers,
    "ptr": _Evaluation._pointer,
    "ip4": _Evaluation._network,
    "ip6": _Evaluation._network,
    "exists": _Evaluation._exists,
}


class _Client(Struct, frozen=True):
    """The client's address. `record`: what hosts of its family have; `dotted`: as `%{i}` has it; `text`: for people."""

    number: int
    bits: int
    record: str
    dotted: str
    text: str


_MAPPED = Network(128, 0xFFFF << 32, 96)


def _client(address: str) -> _Client:
    """An IPv4-mapped address is one of IPv4 (§5). Raises ValueError."""
    if ":" not in address:
        return _Client(_number(address, 32), 32, "A", address, address)
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        raise ValueError(f"{address} is no IP address") from None
    number = int.from_bytes(packed, "big")
    if number in _MAPPED:
        return _client(socket.inet_ntop(socket.AF_INET, packed[12:]))
    return _Client(number, 128, "AAAA", ".".join(packed.hex().upper()), socket.inet_ntop(socket.AF_INET6, packed))


def _number(address: str, bits: int) -> int:
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET if bits == 32 else socket.AF_INET6, address), "big")
    except OSError:
        raise ValueError(f"{address} is no IP address") from None
