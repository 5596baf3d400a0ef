"""SCRAM keys in a user file: which passwords have some, when SCRAM is offered, and what is told of users that there are not."""

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.checker_contract import ATTEMPT

from gatepost.auth.backends import scram_words, stored_password, user_file_scram
from gatepost.auth.backends.hashing import Hashing
from gatepost.auth.backends.in_turn import InTurn, Named
from gatepost.auth.backends.user_file import Entry, UserFile, Users, entries, parse, verdict
from gatepost.auth.backends.user_file_edit import with_application, with_password
from gatepost.auth.port import Checker
from gatepost.proto.sasl.port import Accepted, Refused, ScramKeys, ScramKeysOf, Secret, Unavailable, Verdict
from gatepost.proto.sasl.scram_keys import Decoys, Form, key_pair

SALT = b"0123456789abcdef"


def word(password: str, salt: bytes = SALT, iterations: int = 4096) -> str:
    return scram_words.made(password.encode(), salt, iterations)


SHA_256, SHA_1 = "{SCRAM-SHA-256}4096,c2FsdA==,", "{SCRAM-SHA-1}4096,c2FsdA==,"
BY_GNU_SASL = [  # gsasl --mkpasswd --salt=c2FsdA== --iteration-count=4096
    ("secret", SHA_256 + "ZgOBnT3e4m6ug0RaWAjT+wbbWyjyg4tRSVs5YRrlckg=,aIEiGy0bV5Pa1w1/Ak6ms8TZoqDzKpnevZGpLsFZbek="),
    ("grüße, 5", SHA_256 + "/gXFXx8/x1JHhcY4eunubLlIdFww1XgJv2SJ9fMjz5k=,M3sq640IYBYGB6/GoNzAynakmusKY0uCSPcgQbH/tH4="),
    ("ª", SHA_256 + "ZZvz9oHrNB7dtwaE0uMv6vHzPpEO3MEnbv07h6WztRc=,afKhsTzh3AzLXy/2d6/lh8DveHimUKgUkER2yrjxjsc="),
    ("secret", SHA_1 + "+Uwd8vIS96/t6+orwMdYlJhbdzQ=,Wi3kYFuOyCe59fb/lPgMdbSa9ac="),
    ("grüße, 5", SHA_1 + "GaDepbQNTjWafOvgSNxGmlv3krw=,B593NgsOLu9RTdF6lAyBUpM4qwQ="),
]  # fmt: skip


@pytest.mark.parametrize(("password", "stored"), BY_GNU_SASL)
def test_words_of_gnu_sasl(password: str, stored: str) -> None:
    stored_password.check(stored)
    assert stored_password.verify(stored, password.encode())
    assert not stored_password.verify(stored, b"other")
    assert not stored_password.is_quick(stored)
    _, kept = scram_words.divided(stored)
    assert stored.startswith(tuple(f"{{{scheme}}}" for scheme, digest in scram_words.SCHEMES.items() if digest in kept))
    if "sha256" in kept:
        assert scram_words.made(password.encode(), b"salt", 4096) == stored


def test_keys_behind_a_hash() -> None:
    both = f"{{PLAIN}}my secret {word('my secret')} {BY_GNU_SASL[3][1]}"
    assert scram_words.divided(both)[0] == "{PLAIN}my secret"
    assert scram_words.divided(both)[1].keys() == {"sha256", "sha1"}
    assert stored_password.verify(both, b"my secret")
    assert not stored_password.verify(both, b"my")


@pytest.mark.parametrize(
    "stored",
    [
        "{SCRAM-SHA-256}4096,AAAA,AAAA,AAAA",  # keys of another length
        "{SCRAM-SHA-256}",
        word("x").replace("4096", "9999999"),  # more than anybody should be made to compute
        word("x").replace("4096", "0"),
        word("x").replace("SHA-256", "SHA-1"),
        word("x") + "=",
        word("x").replace(",", ":"),
    ],
)
def test_words_that_are_none(stored: str) -> None:
    with pytest.raises(stored_password.Malformed):
        stored_password.check(stored)
    assert scram_words.divided(stored) == (stored, {})


@given(st.text(st.sampled_from("{}SCRAM-SHA-1256,= AB4096"), max_size=80))
def test_any_word(text: str) -> None:
    first, _ = scram_words.divided(text)
    assert text.startswith(first)


# --- the file ---

ANNA, BEN = f"anna:{{PLAIN}}a {word('a')}\n", f"ben:{{PLAIN}}b {word('b', b'other')}\n"
PHONE = f"anna:{{PLAIN}}p {word('p')}:phone\n"


def forms(text: str) -> Mapping[str, Mapping[Form, int]]:
    return parse(text).forms


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", False),
        (ANNA, True),
        (ANNA + PHONE + BEN, True),
        (ANNA + "ben:{PLAIN}b\n", False),  # his mail program would use SCRAM, and be refused
        (ANNA + "anna:{PLAIN}p:phone\n", False),
        ("anna:{PLAIN}a\n" + PHONE, False),
        (PHONE, True),
        (ANNA + PHONE.replace(word("p"), word("p", b"another salt")), False),
        (ANNA + PHONE.replace(word("p"), word("p", iterations=8192)), False),
        (ANNA + "ben:zzz\n", False),  # nobody knows what he has
    ],
)
def test_offered_where_each_password_has_keys(text: str, offered: bool) -> None:
    assert ("sha256" in forms(text)) == offered
    assert "sha1" not in forms(text)


def test_keys_of_all_passwords_of_a_user() -> None:
    users = parse(ANNA + PHONE)
    pairs = [key_pair(password, "sha256", SALT, 4096) for password in (b"a", b"p")]
    keys = users.scram["anna", "sha256"]
    assert [pair.stored_key.octets for pair in keys.pairs] == [pair.stored_key.octets for pair in pairs]
    assert (keys.salt, keys.iterations) == (SALT, 4096)
    assert verdict(users, "anna", b"p") == Accepted("anna")


def test_forms_count_users() -> None:
    assert forms(ANNA + PHONE + BEN + BEN.replace("ben", "carl")) == {"sha256": {Form(16, 4096): 1, Form(5, 4096): 2}}


def asked(checker: Checker, user: str, digest: str = "sha256") -> Verdict:
    return asyncio.run(checker.check(ScramKeysOf(user, digest), ATTEMPT))


def test_the_file_as_a_back_end(tmp_path: Path) -> None:
    path = tmp_path / "users"
    checker = UserFile(str(path), Hashing(), print, b"of this start")
    assert asyncio.run(checker.decoys()) == {}  # nobody can say
    assert isinstance(asked(checker, "anna"), Unavailable)
    path.write_text(ANNA)
    path.chmod(0o640)
    assert asyncio.run(checker.decoys()) == {"sha256": Decoys(b"of this start", {Form(16, 4096): 1})}
    assert isinstance(asked(checker, "anna"), ScramKeys)
    assert asked(checker, "anna", "sha1") == asked(checker, "nobody") == Refused()
    path.write_text(ANNA + "ben:{PLAIN}b\n")
    assert asyncio.run(checker.decoys()) == {}


def test_several_files(tmp_path: Path) -> None:
    def opened(*texts: str) -> InTurn:
        files = []
        for number, text in enumerate(texts):
            path = tmp_path / str(number)
            path.write_text(text)
            path.chmod(0o640)
            os.utime(path, ns=(number, hash(text) % 10**9))
            files.append(Named(f"file:{path}", UserFile(str(path), Hashing(), print, b"key")))
        return InTurn(files, 10)

    both = opened(ANNA, BEN)
    assert asyncio.run(both.decoys()) == {"sha256": Decoys(b"key", {Form(16, 4096): 1, Form(5, 4096): 1})}
    assert isinstance(asked(both, "ben"), ScramKeys)
    assert asyncio.run(opened(ANNA, "ben:{PLAIN}b\n").decoys()) == {}


# --- what `gatepost user` writes ---


def added(text: str, login: str, password: str, label: str = "") -> str:
    """The text with a password that has keys."""

    def scram(text: str, entry: Entry) -> Entry:
        return user_file_scram.with_keys(text, entry, password.encode())

    stored = f"{{PLAIN}}{password}"
    if label:
        return with_application(text, login, stored, label, scram)
    return with_password(text, login, stored, new=login not in parse(text).by_login, scram=scram)


def salts(text: str) -> list[bytes]:
    kept = [scram_words.divided(entry.stored)[1] for _, entry in entries(text) if isinstance(entry, Entry) and entry.login]
    return [each["sha256"].salt for each in kept]


def test_passwords_of_one_user_have_one_salt() -> None:
    text = added("", "anna", "a")
    text = added(added(text, "ben", "b"), "anna", "p", "phone")
    before = salts(text)
    assert before[0] == before[1] != before[2]
    text = added(text, "anna", "new")
    assert salts(text)[:2] == before[:2]  # the phone's is not made anew
    text = added(text, "ben", "new")
    assert salts(text)[2] != before[2]
    assert set(forms(text)) == {"sha256"}
    assert verdict(parse(text), "anna", b"a") == Refused()


def test_an_application_password_with_keys_before_the_user_has_some() -> None:
    text = added("anna:{PLAIN}a\n", "anna", "p", "phone")
    assert not forms(text)
    assert [entry.label for entry in user_file_scram.lacking(text)] == [""]
    assert forms(added(text, "anna", "new")) and not user_file_scram.lacking(added(text, "anna", "new"))


def test_what_stands_in_the_way() -> None:
    text = ANNA + PHONE.replace(word("p"), word("p", b"another salt")) + "ben:{PLAIN}b\n"
    assert [(entry.login, entry.label) for entry in user_file_scram.lacking(text)] == [("anna", "phone"), ("ben", "")]
    assert user_file_scram.lacking(ANNA + PHONE + BEN) == []


@pytest.mark.parametrize(
    ("text", "login", "usual"),
    [
        ("", "anna", False),
        (ANNA, "ben", True),
        (ANNA, "anna", True),
        (ANNA + "ben:{PLAIN}b\n", "anna", True),
        (ANNA + "ben:{PLAIN}b\n", "ben", False),
        (ANNA + "ben:{PLAIN}b\n", "carl", False),
    ],
)
def test_a_file_that_is_good_for_scram_stays_so(text: str, login: str, usual: bool) -> None:
    assert user_file_scram.are_usual(text, login) == usual


def test_a_secret_for_decoys_is_made_once_and_stays() -> None:
    text = added("# ours\n", "anna", "a")
    secret = parse(text).secret
    assert isinstance(secret, Secret) and len(secret.octets) == 32
    assert not parse(text).faults
    text = added(added(text, "ben", "b"), "anna", "new")
    again = parse(text).secret
    assert again is not None and again.octets == secret.octets
    assert text.count("{DECOYS}") == 1
    assert secret.octets.hex() not in repr(parse(text))


@pytest.mark.parametrize("line", [":{DECOYS}", ":{DECOYS}AAAA", ":{DECOYS}" + "A" * 43 + "=:x"])
def test_a_secret_that_is_none(line: str) -> None:
    assert [number for number, _ in parse(f"{ANNA}{line}\n").faults] == [2]


def test_decoys_of_a_file_are_made_of_its_secret(tmp_path: Path) -> None:
    """So that a restart, or another machine with the same file, does not show who is a user."""
    path = tmp_path / "users"
    path.write_text(added("", "anna", "a"))
    path.chmod(0o640)
    told = [asyncio.run(UserFile(str(path), Hashing(), print, key).decoys())["sha256"].keys("x", "sha256") for key in (b"1", b"2")]
    assert told[0].salt == told[1].salt


def test_no_text_has_keys() -> None:
    shown = repr((parse(ANNA).scram, scram_words.divided(ANNA.partition(":")[2].strip())[1]))
    stored = re.split("[,\n]", word("a"))[2]
    assert stored not in shown and "Secret()" in shown
    assert isinstance(parse(ANNA), Users)
