"""Functions of WLBLEval: senders, recipients and hosts that the administrator lists (perldoc Mail::SpamAssassin::Conf)."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gatepost.filter.evals.patterns import globs
from gatepost.filter.evals.senders import known_registries, recipients, senders
from gatepost.filter.port import Eval, Examined

_LONGEST: Final = 253
"""Octets of a host's name."""


@functools.lru_cache(64)
def _words(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


@functools.lru_cache(16)
def _enlisted(lines: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The entries of `(NAME) entry entry`, by name."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, *entries = line.split()
        found.setdefault(name.strip("()"), []).extend(entries)
    return {name: tuple(entries) for name, entries in found.items()}


def _any(texts: Iterable[bytes], patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(globs(patterns).fullmatch(text) for text in texts)


def _listed(option: str, whose: Callable[[Examined], list[bytes]]) -> Eval:
    def function(mail: Examined, _: Sequence[str]) -> int:
        return int(_any(whose(mail), _words(mail.option(option))) if mail.option(option) else 0)

    return function


def _in_list(whose: Callable[[Examined], list[bytes]]) -> Eval:
    def function(mail: Examined, arguments: Sequence[str]) -> int:
        return int(_any(whose(mail), _enlisted(mail.option("enlist_addrlist")).get(arguments[0], ())))

    return function


def _reply_to(mail: Examined) -> list[bytes]:
    return (mail.headers.get("Reply-To:addr") or b"").lower().split(b"\n")


def _relayed(mail: Examined, option: str) -> bool:
    """Whether a sender is listed with the domain of the host that handed the message over to a trusted one."""
    known = known_registries(mail)
    relay = next(iter(mail.relays.untrusted), None)
    rdns = relay.rdns.encode("latin-1", "replace").lower() if relay else b""
    fitting = [pattern for pattern, domain in _pairs(mail.option(option)) if rdns == domain or rdns.endswith(b"." + domain)]
    return bool(fitting) and known.is_host(rdns) and _any(senders(mail), tuple(fitting))


@functools.lru_cache(16)
def _pairs(lines: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Patterns of senders and the domains of their servers."""
    words = [line.lower().split() for line in lines]
    return tuple([(entry[0], entry[1].encode()) for entry in words if len(entry) > 1])


def check_from_in_welcomelist(mail: Examined, _: Sequence[str]) -> int:
    """A sender is one of `welcomelist_from`, or of `welcomelist_from_rcvd` and comes from there."""
    patterns = _words(mail.option("welcomelist_from"))
    return int(_any(senders(mail), patterns) or _relayed(mail, "welcomelist_from_rcvd"))


def check_from_in_default_welcomelist(mail: Examined, _: Sequence[str]) -> int:
    """A sender is one of `def_welcomelist_from_rcvd` and comes from there."""
    return int(_relayed(mail, "def_welcomelist_from_rcvd"))


def check_mailfrom_matches_rcvd(mail: Examined, _: Sequence[str]) -> int:
    """The envelope sender is of the domain of the host that handed the message over."""
    domain = mail.headers.get("EnvelopeFrom:addr:domain") or b""
    relay = next(iter(mail.relays.untrusted), None)
    if not domain or relay is None or not relay.rdns:
        return 0
    known = known_registries(mail)
    return int(known.registered(relay.rdns.encode("latin-1", "replace")) == domain)


def _hosts(mail: Examined) -> set[bytes]:
    """Those of links; an address in the text is none."""
    return {host.lower() for uri in mail.text.uris if not uri.raw.startswith(b"mailto:") for host in uri.hosts}


def _hosts_in(mail: Examined, entries: Iterable[str]) -> bool:
    """Whether a URI names a host of a list, or one below it; `!host` is none."""
    wanted = {entry.lower().encode() for entry in entries}
    for host in _hosts(mail):
        labels = host[-_LONGEST:].split(b".")
        names = [b".".join(labels[at:]) for at in range(len(labels))]
        found = next((name for name in names if name in wanted or b"!" + name in wanted), None)
        if found is not None and found in wanted:
            return True
    return False


def check_uri_host_listed(mail: Examined, arguments: Sequence[str]) -> int:
    """A URI names a host of `enlist_uri_host`."""
    return int(_hosts_in(mail, _enlisted(mail.option("enlist_uri_host")).get(arguments[0], ())))


def _uri_hosts(option: str) -> Eval:
    def function(mail: Examined, _: Sequence[str]) -> int:
        return int(_hosts_in(mail, _words(mail.option(option))))

    return function


def _never(_mail: Examined, _: Sequence[str]) -> int:
    """Nothing: that a listed sender does not come from where it should proves little, and no rule asks."""
    return 0


_NAMES: Final[dict[str, Eval]] = {
    "check_from_in_blocklist": _listed("blocklist_from", senders),
    "check_to_in_blocklist": _listed("blocklist_to", recipients),
    "check_to_in_welcomelist": _listed("welcomelist_to", recipients),
    "check_to_in_more_spam": _listed("more_spam_to", recipients),
    "check_to_in_all_spam": _listed("all_spam_to", recipients),
    "check_from_in_list": _in_list(senders),
    "check_to_in_list": _in_list(recipients),
    "check_replyto_in_list": _in_list(_reply_to),
    "check_from_in_welcomelist": check_from_in_welcomelist,
    "check_from_in_default_welcomelist": check_from_in_default_welcomelist,
    "check_forged_in_welcomelist": _never,
    "check_forged_in_default_welcomelist": _never,
    "check_mailfrom_matches_rcvd": check_mailfrom_matches_rcvd,
    "check_uri_host_listed": check_uri_host_listed,
    "check_uri_host_in_blocklist": _uri_hosts("blocklist_uri_host"),
    "check_uri_host_in_welcomelist": _uri_hosts("welcomelist_uri_host"),
}


def _old_names(functions: dict[str, Eval]) -> dict[str, Eval]:
    """The same under the names that they had before SpamAssassin 4."""
    old = {name.replace("welcomelist", "whitelist").replace("blocklist", "blacklist"): one for name, one in functions.items()}
    return {**old, **functions}


EVALS: Final[dict[str, Eval]] = _old_names(_NAMES)
