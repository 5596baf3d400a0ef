"""REQUIRETLS toward servers (RFC 8689 §4.2; REQUIRETLS_README): how far it is insisted on, and what stands against a server."""

import enum
from typing import Final

from gatepost.deliver.next_hop import is_address
from gatepost.deliver.tls_level import UNANSWERED, BadTlsPolicy, Level
from gatepost.deliver.tls_policy import TlsPolicy, domain_of
from gatepost.lookup import braces
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.domain import to_ascii
from gatepost.mail.outcome import Outcome, bounced
from gatepost.mail.reason import because

RULE: Final = "REQUIRETLS"


class Insistence(enum.Enum):
    """What a server has to do for mail whose sender wants TLS all the way: show who it is and offer REQUIRETLS; offer TLS; nothing.
    The words are those of smtp_requiretls_policy."""

    ENFORCE = "enforce"
    STARTTLS = "opportunistic+starttls"
    OPPORTUNISTIC = "opportunistic"


_WORDS: Final = {word.value: word for word in Insistence}
_KNOWN: Final = frozenset((Level.FINGERPRINT, Level.DANE, Level.DANE_ONLY, Level.VERIFY, Level.SECURE))
"""Levels at which a server has shown who it is. HALF_DANE is none, unless a policy of MTA-STS has named the server."""


class RequireTlsRules:
    """smtp_requiretls_policy: words and tables by domain or address, of which the first that has one decides; where none has, it is
    enforced. `title`: the parameter's name. Raises Unavailable if the tables are strict."""

    def __init__(self, text: str, tables: Tables, title: str) -> None:
        self._title = title
        self._rules: list[Insistence | Maps] = [
            _WORDS[word] if word in _WORDS else tables.maps(word, title) for word in braces.split_list(text)
        ]

    async def find(self, site: str) -> Insistence:
        """For a destination as written. Raises BadTlsPolicy where a table cannot say, or says what is no word."""
        for rule in self._rules:
            if isinstance(rule, Insistence):
                return rule
            for key in _keys(site):
                try:
                    word = await rule.find(key)
                except LookupFailure as failure:
                    raise BadTlsPolicy(f"{self._title}: lookup error for {key}", UNANSWERED, failure, rule=self._title) from None
                if word is not None:
                    if word not in _WORDS:
                        raise BadTlsPolicy(f'{self._title}: unknown word "{word}" for {key}', rule=self._title)
                    return _WORDS[word]
        return Insistence.ENFORCE


def _keys(site: str) -> list[str]:
    """A name in A-labels and its parents with a dot, or an address."""
    name = domain_of(site).lower()
    try:
        name = to_ascii(name)
    except UnicodeError:
        return [name]
    found = [name]
    while "." in name and not is_address(found[0]):
        name = name.partition(".")[2]
        found.append(f".{name}")
    return found


def lack(asked: Insistence, policy: TlsPolicy, reached: Level, offered: bool, label: str) -> Outcome | None:
    """Why the mail does not go to a server, if it does not. `reached`: the level of the connection; `offered`: REQUIRETLS was;
    `label`: `name[address]`."""
    if asked is Insistence.OPPORTUNISTIC:
        return None
    if reached is Level.NONE:
        return _refused("5.7.10", f"REQUIRETLS was asked for, but TLS was not offered by host {label}", label)
    if asked is Insistence.STARTTLS:
        return None
    if reached not in _KNOWN and not (reached is Level.HALF_DANE and policy.by_sts):
        return _refused("5.7.10", f"REQUIRETLS was asked for, but nothing says which certificate host {label} must have", label)
    if not offered:
        return _refused("5.7.30", f"REQUIRETLS was asked for, but was not offered by host {label}", label)
    return None


def _refused(enhanced: str, text: str, label: str) -> Outcome:
    return bounced(text, enhanced, because(RULE, label, reason=text))
