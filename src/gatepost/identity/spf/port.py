"""What an SPF evaluation is asked and told, and what it comes to (RFC 7208 §2.6, §4.1)."""

import enum
from collections.abc import Generator

from msgspec import Struct


class Result(enum.StrEnum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(enum.StrEnum):
    """Whose domain was asked (§2.3, §2.4), in the words of Received-SPF (§9.1)."""

    HELO = "helo"
    MAIL_FROM = "mailfrom"


class Question(Struct, frozen=True):
    """A question to the DNS. `record`: A, AAAA, MX, PTR or TXT; `name`: a domain, for PTR an IP address."""

    record: str
    name: str


class Answer(Struct, frozen=True):
    """What the DNS said. An answer without values is void (§4.6.4), whether the name is there or not.

    - `values`: addresses, names or texts (the strings of a record joined); exchangers in the order of their preference.
    - `failed`: it did not say: SERVFAIL, a time-out.
    """

    values: tuple[str, ...] = ()
    failed: bool = False


Plan = Generator[tuple[Question, ...], tuple[Answer, ...], "Verdict"]
"""An evaluation: yields questions that may be asked at once, is sent as many answers in their order, and returns its verdict."""


class Case(Struct, frozen=True, kw_only=True):
    """One question of check_host() (§4.1).

    - `address`: the client's.
    - `sender`: `local-part@domain`, or `@domain`.
    - `helo`: what the client calls itself.
    - `identity`: which of the two `domain` was taken from.
    - `receiver`: our own name, for an explanation.
    - `now`: seconds since 1970, for an explanation.
    - `void_limit`: void answers that a policy may cause.
    """

    address: str
    domain: str
    sender: str
    helo: str
    identity: Identity = Identity.MAIL_FROM
    receiver: str = "unknown"
    now: float = 0.0
    void_limit: int = 2


class Verdict(Struct, frozen=True, kw_only=True):
    """What SPF says of a client and an identity: a fact for greylisting, the filter and DMARC.

    - `domain`: whose policy was asked first.
    - `term`: the mechanism that decided, as written; empty where none did.
    - `prefix`: bits of the network that `term` matched, 0 for `all`; None where no network did (`exists`, `ptr`, no match).
    - `open`: the policy, as far as it was read, passes every address there is.
    - `sends_no_mail`: the policy is `v=spf1 -all`.
    - `explanation`: what the domain says of a FAIL (`exp`), printable ASCII of limited length; a stranger's words.
    - `problem`: of an error: what is wrong.
    """

    result: Result
    identity: Identity
    domain: str
    term: str = ""
    prefix: int | None = None
    open: bool = False
    sends_no_mail: bool = False
    explanation: str = ""
    problem: str = ""
