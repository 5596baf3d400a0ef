"""Levels of TLS security toward a server (smtp_tls_security_level)."""

import enum
from typing import Final

from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import SPACE, upper
from gatepost.tlsrpt.outcome import PolicyFailure


class Level(enum.IntEnum):
    """From ENCRYPT on, no TLS means no delivery; above it, the server must show who it is. HALF_DANE is what DANE comes to where
    nothing vouches for the exchangers (smtp_tls_dane_insecure_mx_policy); nobody asks for it by name."""

    NONE = 0
    MAY = 1
    ENCRYPT = 2
    FINGERPRINT = 3
    HALF_DANE = 4
    DANE = 5
    DANE_ONLY = 6
    VERIFY = 7
    SECURE = 8

    @property
    def word(self) -> str:
        """As parameters have it."""
        return self.name.lower().replace("_", "-")


BY_TLSA = frozenset((Level.HALF_DANE, Level.DANE, Level.DANE_ONLY))
"""The server is known by its TLSA records."""

WORDS = {level.word.upper(): level for level in Level if level is not Level.HALF_DANE}


MISCONFIGURED: Final = ("4.7.5", "client TLS configuration problem")
UNANSWERED: Final = ("4.3.0", "Temporary lookup error")


class BadTlsPolicy(Exception):
    """A policy that cannot be understood or looked up, in words for the log: no delivery under it, since less security than meant
    would be the result.

    - `told`: enhanced code and text of the outcome.
    - `failure`: of the table that could not answer.
    - `reported`: what reports have of it, None where it is no fault of the other side.
    - `rule`: the parameter that the policy is of.
    """

    def __init__(
        self,
        text: str,
        told: tuple[str, str] = MISCONFIGURED,
        failure: LookupFailure | None = None,
        reported: PolicyFailure | None = None,
        rule: str = "smtp_tls_policy_maps",
    ) -> None:
        super().__init__(text)
        self.told = told
        self.failure = failure
        self.reported = reported
        self.rule = rule


def parse_level(word: str) -> Level:
    """The level of that name. Raises BadTlsPolicy."""
    level = WORDS.get(upper(word.strip(SPACE)))
    if level is None:
        raise BadTlsPolicy(f'invalid tls security level: "{word}"')
    return level
