"""postgrey's lists of clients and recipients that nobody greylists, read as they are (postgrey(8), Whitelists).

A line is an entry; `#` begins a comment. A line with a mistake is told, and left out; a file that is not there is empty.

- clients: a domain, for every host in it by its confirmed name; an address, or the first three numbers of one; a network `a/n`;
  `/pattern/`, held against the name.
- recipients: a domain and those below it; `name@` in any domain; an address. The last two hold for extended addresses, too
  (`name+extension@`). `/pattern/`, held against the address.

Patterns are Perl's, without regard to case, run by PCRE2 within the limits of all pattern tables (lookup/pattern_table.py).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from typing import Final

from gatepost.lookup import pcre2
from gatepost.lookup.opening import Warn
from gatepost.lookup.pattern_table import Pattern, PatternTable
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.rules import Program, constant
from gatepost.lookup.sparing import Sparing
from gatepost.mail.ascii_text import is_number
from gatepost.policy.greylist.attempt import Address

Line = tuple[str, int, str]
"""File, number of the line, entry."""

_LONGEST_NAME: Final = 255
_TOLD: Final = 20  # mistakes of a list that are told one by one
_SHOWN: Final = 300  # characters of a mistake
_MOST_PATTERNS: Final = 2000  # of a list: each is compiled in the event loop when the file has changed, and tried for each client
_REMEMBERED: Final = 4096  # answers of the patterns of a list
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_ADDRESS_ENTRY: Final = re.compile(r"[^\s@/]*@[^\s@/]*|[^\s@/]+")
_NUMBERS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){2,3}", re.ASCII)


def entries(file: str, text: str) -> Iterator[Line]:
    """The entries of a file."""
    for number, line in enumerate(text.split("\n"), 1):
        entry = line if line.lstrip().startswith("/") else line.partition("#")[0]
        if (entry := entry.strip()) and entry[0] != "#":
            yield file, number, entry


class _Patterns:
    """The patterns of a list, gathered and then asked."""

    def __init__(self, title: str, warn: Warn) -> None:
        self._title = title
        self._warn = warn
        self._sparing = Sparing(warn, time.monotonic)
        self._program = Program(lambda pattern, reason: self._sparing.warn(pattern.line, f"{title}: {reason}"))
        self._table: PatternTable | None = None
        self._known: dict[str, bool] = {}
        """Answers of late: clients come again, and a list does not change."""

    def add(self, line: Line) -> None:
        """One more; raises ValueError."""
        text = re.sub(r"/\s+#.*\Z", "/", line[2])
        if len(text) < 2 or not text.endswith("/"):
            raise ValueError("a pattern begins and ends with a slash, and has no flags")
        pattern = text[1:-1].encode("utf-8", "surrogateescape")
        if missing := pcre2.missing():
            raise ValueError(missing)
        if len(self._program) >= _MOST_PATTERNS:
            raise ValueError(f"more than {_MOST_PATTERNS} patterns")
        expression = pcre2.Expression(pattern, pcre2.CASELESS, captures=False)
        self._program.add(expression.search, False, constant(text), Pattern(expression, line[1]))
        self._table = None

    async def match(self, text: str) -> bool:
        """Whether one of them does; not where they took too long, which is told."""
        if not len(self._program):
            return False
        known = self._known.get(text)
        if known is None:
            known = await self._ask(text)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(text) <= _LONGEST_NAME:
                self._known[text] = known
        return known

    async def _ask(self, text: str) -> bool:
        if self._table is None:
            self._table = PatternTable(self._title, self._program, self._sparing)
        try:
            return await self._table.lookup(text) is not None
        except LookupFailure:
            return False


class ClientList:
    """Which clients are not greylisted."""

    def __init__(self, lines: Iterable[Line], warn: Warn) -> None:
        self._domains: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        self._patterns = _Patterns("greylist_whitelist_clients", warn)
        _read(lines, self._add, warn)

    def _add(self, line: Line) -> None:
        entry = line[2].lower()
        if entry[0] == "/":
            self._patterns.add(line)
        elif network := _network(entry):
            self._networks.setdefault(network[:2], set()).add(network[2])
        elif _NAME.fullmatch(entry):
            self._domains.add(entry)
        else:
            raise ValueError(f'"{entry}" is no domain, address, network or /pattern/')

    async def lists(self, name: str, address: Address) -> bool:
        """`name`: confirmed, or `unknown`."""
        number, width = int(address), address.max_prefixlen
        for (version, bits), networks in self._networks.items():
            if version == address.version and number >> (width - bits) in networks:
                return True
        return any(domain in self._domains for domain in _parents(name.lower())) or await self._patterns.match(name)


class RecipientList:
    """Which recipients are not greylisted for."""

    def __init__(self, lines: Iterable[Line], warn: Warn) -> None:
        self._domains: set[str] = set()
        self._addresses: set[str] = set()
        self._patterns = _Patterns("greylist_whitelist_recipients", warn)
        _read(lines, self._add, warn)

    def _add(self, line: Line) -> None:
        entry = line[2].lower()
        if entry[0] == "/":
            self._patterns.add(line)
        elif not _ADDRESS_ENTRY.fullmatch(entry):
            raise ValueError(f'"{entry}" is no domain, address, name@ or /pattern/')
        elif "@" in entry:
            self._addresses.add(entry)
        else:
            self._domains.add(entry)

    async def lists(self, recipient: str) -> bool:
        local, at, domain = recipient.lower().rpartition("@")
        if at:
            for name in {local, local.partition("+")[0]}:
                if f"{name}@" in self._addresses or f"{name}@{domain}" in self._addresses:
                    return True
            if any(one in self._domains for one in _parents(domain)):
                return True
        return await self._patterns.match(recipient)


def _read(lines: Iterable[Line], add: Callable[[Line], None], warn: Warn) -> None:
    mistakes = 0
    for line in lines:
        try:
            add(line)
        except ValueError as error:
            mistakes += 1
            if mistakes <= _TOLD:
                warn(f"{line[0]}, line {line[1]}: {str(error)[:_SHOWN]}: the line is left out")
    if mistakes > _TOLD:
        warn(f"{mistakes - _TOLD} more lines with mistakes are left out")


def _network(entry: str) -> tuple[int, int, int] | None:
    """(version, bits, number of the network), None for what is not one. Raises ValueError."""
    entry = entry.replace("[", "").replace("]", "")
    if _NUMBERS.fullmatch(entry) and entry.count(".") == 2:
        entry += ".0/24"
    base, slash, bits = entry.partition("/")
    if ":" not in base and not _NUMBERS.fullmatch(base):
        return None
    if slash and not is_number(bits):
        raise ValueError(f'"{entry}": the length of a network is a number of bits')
    network = ip_network(entry, strict=False)
    return network.version, network.prefixlen, int(network.network_address) >> (network.max_prefixlen - network.prefixlen)


def _parents(domain: str) -> Iterator[str]:
    """A domain, and those that it lies in; none of what is too long for the DNS, which others choose."""
    while domain and len(domain) <= _LONGEST_NAME:
        yield domain
        domain = domain.partition(".")[2]
