"""Stored passwords: every scheme against hashes that other programs made, and what must not be taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.auth.backends import stored_password
from gatepost.auth.backends.stored_password import Malformed, check, hashed, hashed_token, is_quick, verify

# Made by `doveadm pw -p secret` of Dovecot 2.3 and by `openssl passwd -6 secret`.
OF_SECRET = (
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$0f1uYYsDJQy/LdlIg4pPrA$VHtjMPsDZvjl2MVc+UKVHpVjZKh2Y7cNUjBNWlN92rY",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$S+r+lcuGEIYdovphx2xq+g$aA7c56LIFQnDyjJ3NIgmMgxWd0rpkmDu4UoA3eqg1jo",
    "{BLF-CRYPT}$2y$05$lBIUIh0eHOjj9KH0y.N0iehE0TkFIlU3AES/hmCUuvOKolwmqBiP.",
    "{SHA512-CRYPT}$6$ZBogpEVX9xAx7j.C$i6cKBeTaPA8eCDTdAmE6j8FJbs9wYEvX97Q9Rn3J6ncfeGUR33PwuRLdKJ8pRN7waMiZT/JlSVxCLIforXzHP1",
    "{SHA256-CRYPT}$5$onwoB8R0cbESPfNT$ZiVvyIefxO5n0dfBIuaAeKI9yRnM6KPlT70MtgajQm7",
    "{MD5-CRYPT}$1$EBwOAe05$rST30SjrnR3iB3aX3FlH6.",
    "{DES-CRYPT}.7YtqsXSwhIiY",
    "{SSHA}SU411TgAFyF37bEvJWjTj/vcnPnS5oAE",
    "{SSHA256}m7hvh8FprCN3cuv2cQukP+HPjgaUM0tvmwGlMjbqYRSmtjrc",
    "{SSHA512}AaIZUHEVXG7i2r4DLXWTSmZzHU5SMXTl7vG8LInY4cQfySO5hgeqSZxrnDPw+xutHTDtWZwTtYFABu1O0WXS3QWD8tk=",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    "{SSHA512.HEX}993295d9abc7e60a77b9f0b14d46ae183327b918fd3969421b0cc87b07f759abda2854f10682d85cc0c3491"
    "b0df50c866b140f485283cb3cb0adffab53301db2e1423ec1",
    "{SHA256.B64}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA1.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{PLAIN}secret",
    "$6$cx2YOCiH.aVnL.Zu$.vPfNwJ0j2tbtIuFX7fIKf6tf0mWh/Nc1yMe9ArtrYYjP96CZ98Qmhoh3xBs4BONg1JnUBPOm/Palgk4gMIlh0",
    "{CRYPT}$y$j9T$uM.jf8EdDYQeD860ieAa11$DTZP7/xZnrevRZ1bmx1tgfkQFOndgqPRHpFuplN8dDA",
)


@pytest.mark.parametrize("stored", OF_SECRET, ids=lambda stored: stored[:18])
def test_hashes_of_others(stored: str) -> None:
    check(stored)
    assert verify(stored, b"secret")
    assert not verify(stored, b"Secret")
    assert not verify(stored, b"secret ")
    assert not verify(stored, b"")


def test_our_own() -> None:
    stored = hashed("pässwort".encode())
    assert stored.startswith("{ARGON2ID}$argon2id$")
    assert verify(stored, "pässwort".encode())
    assert not verify(stored, b"passwort")
    assert hashed(b"x") != hashed(b"x")
    assert not is_quick(stored)


def test_a_random_password_needs_no_slow_hash() -> None:
    stored = hashed_token("abcdefgh23456789abcdefgh")
    assert verify(stored, b"abcdefgh23456789abcdefgh")
    assert not verify(stored, b"abcdefgh23456789abcdefgi")
    assert is_quick(stored)


@pytest.mark.parametrize(
    "stored",
    [
        "secret",  # plaintext only where it says so
        "",
        "{}secret",
        "{ROT13}frperg",
        "{ARGON2ID}",
        "{ARGON2ID}$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$aaaa",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=999999,p=1$c29tZXNhbHQ$aaaa",
        "{BLF-CRYPT}$2y$31$CI7Evqm7bgPkCI7Evqm7be0123456789012345678901234567890",
        "{SHA512-CRYPT}$6$rounds=999999999$abc$" + "a" * 86,
        "{CRYPT}$y$jFT$abcdefghij$abcdefghijklmnop",
        "{CRYPT}$y$j9zz$abcdefghij$abcdefghijklmnop",
        "{CRYPT}*",
        "{CRYPT}!",
        "{SSHA}",
        "{SSHA}not base64",
        "{SHA256}aaaa",
        "{SSHA256.HEX}zz",
    ],
)
def test_what_is_no_hash(stored: str) -> None:
    with pytest.raises(Malformed) as raised:
        check(stored)
    with pytest.raises(Malformed):
        verify(stored, b"secret")
    assert stored == "" or stored.partition("}")[2] == "" or stored.partition("}")[2] not in str(raised.value)


def test_plaintext_has_to_be_named() -> None:
    assert verify("{PLAIN}secret", b"secret")
    assert verify("{CLEARTEXT}{PLAIN}x", b"{PLAIN}x")
    assert not verify("{PLAIN}secret", b"secrets")


def test_a_password_with_nul_or_too_long_for_libcrypt_is_wrong() -> None:
    stored = next(text for text in OF_SECRET if "$6$" in text)
    assert not verify(stored, b"secret\0")
    assert not verify(stored, b"s" * 5000)


@given(st.text(max_size=80), st.binary(max_size=20))
def test_nothing_else_is_raised(stored: str, password: bytes) -> None:
    try:
        check(stored)
    except Malformed:
        return
    try:
        verify(stored, password)
    except Malformed:
        return


def test_every_scheme_has_a_shape_or_is_plain() -> None:
    assert set(stored_password._SCHEMES) - set(stored_password._SHAPES) == {"PLAIN", "CLEAR", "CLEARTEXT"}
