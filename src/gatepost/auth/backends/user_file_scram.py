"""SCRAM keys in a user file: which passwords get some, and with which salt."""

import secrets
from collections.abc import Iterable

from gatepost.auth.backends import scram_words
from gatepost.auth.backends.user_file import Entry, User, entries, parse, secret_line
from gatepost.proto.sasl.scram_keys import ITERATIONS, SALT


def with_keys(text: str, new: Entry, password: bytes) -> Entry:
    """The password with SCRAM keys behind its hash. A client is told of one salt, and a number of iterations, before anybody knows
    which of the user's passwords it has: they are those of his others. Costs time."""
    user = parse(text).by_login.get(new.login, User(None, {}))
    others = user.passwords if new.label else tuple(user.applications.values())
    salt, iterations = _in_common(others) or (secrets.token_bytes(SALT), ITERATIONS)
    return Entry(new.login, f"{new.stored} {scram_words.made(password, salt, iterations)}", new.label)


def are_usual(text: str, login: str) -> bool:
    """Whether a new password of the user's own should have keys: where the one that it replaces has, or, without one, where each
    other password has. A file for which SCRAM is offered stays so."""
    users = parse(text)
    user = users.by_login.get(login)
    return "sha256" in users.forms if user is None or user.stored is None else _in_common((user.stored,)) is not None


def lacking(text: str) -> list[Entry]:
    """The passwords because of which SCRAM is not offered, in order: without keys, or of another salt than the user's others."""
    users = parse(text).by_login
    told = [entry for _, entry in entries(text) if isinstance(entry, Entry) and entry.login]
    return [entry for entry in told if _in_common((entry.stored,)) in (None, *_others(users[entry.login]))]


def with_secret(text: str) -> str:
    """The text with a secret for decoys, where it has keys and no secret yet."""
    users = parse(text)
    return text + secret_line(secrets.token_bytes(32)) if users.scram and users.secret is None else text


def _in_common(passwords: Iterable[str]) -> tuple[bytes, int] | None:
    """Salt and iterations of the first of these passwords that has keys, None where none has."""
    kept = (scram_words.divided(stored)[1].get("sha256") for stored in passwords)
    return next(((one.salt, one.iterations) for one in kept if one is not None), None)


def _others(user: User) -> list[tuple[bytes, int] | None]:
    """What does not go together with the first keys of the user."""
    each = [_in_common((stored,)) for stored in user.passwords]
    return [one for one in each if one != _in_common(user.passwords)]
