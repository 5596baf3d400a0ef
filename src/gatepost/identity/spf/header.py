"""What a message is told of its SPF result: Received-SPF (RFC 7208 §9.1) and Authentication-Results (RFC 8601).

Names and addresses in it are a stranger's words: each is quoted where it must be, cut where it is long, and one line.
"""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from gatepost.identity.spf.port import Identity, Result, Verdict

LINE_LIMIT = 998
"""Characters of a line (RFC 5322 §2.1.1)."""

_VALUE_LIMITS = (256, 60)
"""Characters of each value, and where a line would be too long with them."""

_ATOM = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~%-]+(?:\.[A-Za-z0-9!#$&'*+/=?^_`{|}~%-]+)*\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._:-]+\Z", re.ASCII)

_COMMENTS: Mapping[Result, str] = {
    Result.NONE: "{domain} has no SPF policy",
    Result.NEUTRAL: "{domain} says nothing of {address}",
    Result.PASS: "domain of {domain} designates {address} as permitted sender",
    Result.FAIL: "domain of {domain} does not designate {address} as permitted sender",
    Result.SOFTFAIL: "domain of {domain} discourages use of {address} as permitted sender",
    Result.TEMPERROR: "temporary error in processing the policy of {domain}",
    Result.PERMERROR: "permanent error in processing the policy of {domain}",
}


class About(Struct, frozen=True):
    """What a header tells besides the result. `receiver`: our own name; `authserv_id`: under which we tell of what we checked."""

    address: str
    helo: str
    sender: str
    receiver: str
    authserv_id: str


def received_spf(verdict: Verdict, about: About) -> str:
    """`Received-SPF: ...`, on one line."""
    pairs = [("identity", verdict.identity.value), *_client(about)]
    pairs += [(name, value) for name, value in (("mechanism", verdict.term), ("problem", verdict.problem)) if value]
    head = f"Received-SPF: {verdict.result.capitalize()}"
    return _fitting(
        lambda limit: f"{head} ({_plain(about.receiver, limit)}: {_comment(verdict, about, limit)}) {_written(pairs, limit)}"
    )


def authentication_results(verdict: Verdict, about: About) -> str:
    """`Authentication-Results: ...`, on one line, with the domain that was asked (RFC 8601 §2.7.2)."""
    what = "smtp.helo" if verdict.identity is Identity.HELO else "smtp.mailfrom"
    head = f"Authentication-Results: {_value(about.authserv_id)}; spf={verdict.result}"
    return _fitting(lambda limit: f"{head} ({_comment(verdict, about, limit)}) {what}={_value(verdict.domain, limit)}")


def skipped(why: str, about: About) -> str:
    """What is told of a client that is not checked, as policyd-spf tells it."""
    return _fitting(lambda limit: f"X-Comment: {why} - {_written(_client(about), limit)}")


def skipped_results(why: str, about: About) -> str:
    """The same as Authentication-Results: nothing was checked (RFC 8601 §2.2, no-result)."""
    return f"Authentication-Results: {_value(about.authserv_id)}; none ({why})"


def _fitting(line: Callable[[int], str]) -> str:
    """The line with as much of each value as has room."""
    longest, shortest = _VALUE_LIMITS
    full = line(longest)
    return full if len(full) <= LINE_LIMIT else line(shortest)


def _client(about: About) -> list[tuple[str, str]]:
    return [("client-ip", about.address), ("helo", about.helo), ("envelope-from", about.sender), ("receiver", about.receiver)]


def _written(pairs: list[tuple[str, str]], limit: int) -> str:
    return "; ".join(f"{name}={_value(value, limit)}" for name, value in pairs)


def _comment(verdict: Verdict, about: About, limit: int) -> str:
    """The result in words."""
    domain, address = _plain(verdict.domain, limit) or "the client", _plain(about.address, limit)
    return _COMMENTS[verdict.result].format(domain=domain, address=address)


def _value(text: str, limit: int = _VALUE_LIMITS[0]) -> str:
    """A value of a pair: as it is, or a quoted string (RFC 5322 §3.2.4)."""
    text = text[:limit]
    if _ATOM.match(text):
        return text
    safe = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str, limit: int) -> str:
    """A name as it stands in a comment; nothing in it may end the comment."""
    text = text[:limit]
    return text if _WORD.match(text) else "".join(c if _WORD.match(c) else "?" for c in text)
