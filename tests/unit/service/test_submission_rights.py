"""authorized_submit_users and local_login_sender_maps."""

import asyncio
import os
import pwd

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.service.submission_rights import NotAllowed, check, everybody_may

WHO = pwd.getpwuid(os.getuid()).pw_name
NOBODY = 4_000_000_000


def refusal(sender: str = "", uid: int | None = None, **parameters: str) -> str:
    configuration = CONFIGURATION.with_settings(parameters)
    assert not everybody_may(configuration)
    try:
        asyncio.run(check(configuration, os.getuid() if uid is None else uid, sender, Tables(lambda text: None)))
    except NotAllowed as refused:
        return str(refused)
    return ""


def test_usually_everybody_may() -> None:
    assert everybody_may(CONFIGURATION)


@pytest.mark.parametrize(
    ("users", "uid", "told"),
    [
        (WHO, None, ""),
        (f"!{WHO}, static:anyone", None, f"User {WHO}({os.getuid()}) is not allowed to submit mail"),
        ("unknown", NOBODY, ""),
        (WHO, NOBODY, f"User unknown({NOBODY}) is not allowed to submit mail"),
    ],
)
def test_users(users: str, uid: int | None, told: str) -> None:
    assert refusal("a@b.test", uid, authorized_submit_users=users) == told


@pytest.mark.parametrize(
    ("patterns", "sender", "allowed"),
    [
        ("*", "a@b.test", True),
        ("*", "", True),
        ("<>", "", True),
        ("x@y.test", "", False),
        ("@B.test", "a@b.TEST", True),
        ("@b.test", "a@sub.b.test", False),
        ("me, A@b.test", "a+ext@b.test", True),
        ("me, me@b.test", "me+x", True),
        ("me@b.test", "you@b.test", False),
    ],
)
def test_senders(patterns: str, sender: str, allowed: bool) -> None:
    told = refusal(sender, local_login_sender_maps=f"inline:{{ {{{WHO} = {patterns}}} }}", recipient_delimiter="+")
    assert told == ("" if allowed else f"not authorized to use sender='{sender}'")


def test_users_without_a_name() -> None:
    maps = f"inline:{{ {{uid:{NOBODY} = a@b.test}} }}"
    assert refusal("a@b.test", NOBODY, local_login_sender_maps=maps) == ""
    assert refusal("a@b.test", local_login_sender_maps=maps) == "not authorized to use sender='a@b.test'"


def test_a_table_that_cannot_answer() -> None:
    with pytest.raises(LookupFailure):
        refusal("a@b.test", local_login_sender_maps="fail:1")
