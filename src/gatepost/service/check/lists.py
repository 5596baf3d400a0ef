"""What `gatepost check` finds in lists of hosts, networks, domains and names: members that name nobody or make all wait.

Postfix tells of these when somebody is held against them. A list of hosts is read as lookup/match_list.py reads it.
"""

import os
from collections.abc import Callable, Iterator

from gatepost.config.check import TABLE_TYPES, named
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.parameters import ValueKind
from gatepost.config.usage import scopes
from gatepost.lookup import braces
from gatepost.lookup.cidr import parse_network
from gatepost.lookup.match_list import is_network


def check_lists(configuration: Configuration, exists: Callable[[str], bool] = os.path.exists) -> Iterator[Fault]:
    """What is wrong with the lists that main.cf sets, and the services of master.cf."""
    hosts, words = (named(configuration, kind) for kind in (ValueKind.HOSTS, ValueKind.LIST))
    for scope in scopes(configuration):
        for name in sorted(scope.names & (hosts | words)):
            try:
                value = configuration.value(name, scope.overrides)
            except ConfigurationError:
                continue  # told elsewhere
            for text, remedy in complaints(value, exists, networks=name in hosts):
                yield configuration.fault(name, f"{name}: {text}", remedy, scope.overrides)


def complaints(value: str, exists: Callable[[str], bool], *, networks: bool) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) for each member with a mistake. `networks`: the list may hold them."""
    for element in braces.split_list(value):
        if element.startswith("#"):
            yield "comment at end of line is not supported", "put the comment on a line of its own"
            return
        text = element.lstrip("!")
        if not text:
            yield "no pattern after '!'", "write the pattern after it without a space; nobody who comes so far gets an answer"
        elif text.startswith("/"):
            if not exists(text):
                yield f"open file {text}: No such file or directory", "create it; nobody who comes so far gets an answer"
        elif ":" in text and not text.startswith("["):
            yield from _table(text)
        elif networks:
            yield from _host(text)


def _table(text: str) -> Iterator[tuple[str, str]]:
    kind = text.partition(":")[0]
    if kind not in TABLE_TYPES:
        written = "write an IPv6 address in brackets: [2001:db8::]/32; `gatepost postconf -m` lists the types of tables"
        yield f"unsupported dictionary type: {kind} (in {text})", written


def _host(text: str) -> Iterator[tuple[str, str]]:
    if is_network(text):
        try:
            parse_network(text)
        except ValueError as error:
            yield str(error), "clients of its family that come so far in the list are deferred, as in Postfix"
    elif text.startswith(_QUOTES) or text.endswith(_QUOTES):
        yield f"{text} names no host", "write it without quotes"
    elif "/" in text or "[" in text or "]" in text or "*" in text:
        yield f"{text} names no host and no network", "write a network as 192.0.2.0/24 or [2001:db8::]/32"


_QUOTES = ('"', "'", "`")
