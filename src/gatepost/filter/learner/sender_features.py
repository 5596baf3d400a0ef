"""Who says it: Subject, the name and address of From, and whether answers go elsewhere."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from gatepost.filter.learner.text_features import words
from gatepost.filter.port import Examined

_SHAPE: Final = 20


def sender_tokens(examined: Examined) -> Iterator[str]:
    """Tokens of Subject, From and Reply-To."""
    yield from _subject(_text(examined, "Subject"))
    address = sender_address(examined)
    yield from _sender(_text(examined, "From:name") or "", address)
    yield from _answers(_text(examined, "Reply-To:addr"), address)


def sender_address(examined: Examined) -> str:
    """The address of From, empty without."""
    return (_text(examined, "From:addr") or "")[:320]


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def registered(host: str) -> str:
    """About what is registered of a name: its last two labels, or three below a country's `co`, `com` and the like."""
    labels = host.split(".")
    return ".".join(labels[-3:] if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND else labels[-2:])


_SECOND: Final = frozenset(("co", "com", "org", "net", "ac", "gov", "edu"))


def shape(text: str) -> str:
    """What it looks like: a for small letters, A for large ones, 0 for figures, u for what is not ASCII."""
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    return text[:_SHAPE]


_SIGNS: Final = tuple(
    (re.compile(pattern), sign) for pattern, sign in (("[A-Z]+", "A"), ("[a-z]+", "a"), ("[0-9]+", "0"), ("[^\x00-\x7f]+", "u"))
)


def _subject(subject: str | None) -> Iterator[str]:
    if subject is None:
        yield "subject: none"
        return
    found = words(subject, 60)
    yield from (f"subject:{word}" for word in found)
    yield from (f"subject pair:{first} {second}" for first, second in pairwise(found))
    yield f"subject length:{min(len(subject) // 10, 9)}"
    if subject.isupper():
        yield "subject: capitals"
    if subject[:3].lower() == "re:":
        yield "subject: answer"


def _sender(name: str, address: str) -> Iterator[str]:
    local, _, domain = address.rpartition("@")
    domain = domain.lower()
    yield from (f"sender name:{word}" for word in words(name, 12))
    yield f"sender name shape:{shape(name.strip()[:200])}"
    yield f"sender:{_NUMBER.sub('0', local.lower())[:_SHAPE]}"
    yield f"sender shape:{shape(local)}"
    yield f"sender domain:{domain}"
    yield f"sender registered:{registered(domain)}"
    yield f"sender top:{domain.rpartition('.')[2]}"


_NUMBER: Final = re.compile(r"\d+")


def _answers(answers: str | None, address: str) -> Iterator[str]:
    if answers is None:
        return
    yield "answers: same address" if answers.lower() == address.lower() else "answers: other address"
    if domain_of(answers) != domain_of(address):
        yield "answers: other domain"
        yield f"answers domain:{domain_of(answers[:320])}"


def _text(examined: Examined, name: str) -> str | None:
    value = examined.headers.get(name)
    return None if value is None else value[:4000].decode("utf-8", "replace").strip()
