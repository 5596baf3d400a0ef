"""Transports whose user cannot be looked up now: their mail waits, and nothing of it is remembered."""

import asyncio

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.deliver.pipe_attributes import PipeFault, pipe_attributes
from gatepost.lookup.account_database import Group, User
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.port import LookupFailure
from gatepost.service import local, pipe

_IDS = {"vmail": 1001, "root": 0, "postfix": 107}


class Known(Accounts):
    """A few accounts; `hung` has no answer."""

    async def user_named(self, name: str) -> User | None:
        if name == "hung":
            raise LookupFailure("unix:passwd.byname", "no answer within 10 seconds")
        return User(name, "x", _IDS[name], _IDS[name], "", "/", "/bin/sh") if name in _IDS else None

    async def group_named(self, name: str) -> Group | None:
        if name == "hung":
            raise LookupFailure("unix:group.byname", "no answer within 10 seconds")
        return Group(name, "x", _IDS[name], ()) if name in _IDS else None


def identity(user: str, group: str = "") -> tuple[int, int]:
    attributes = pipe_attributes((f"user={user}:{group}" if group else f"user={user}", "argv=/bin/true"))
    settings = CONFIGURATION.with_settings({"mail_owner": "postfix"}).view(pipe._Settings)
    return asyncio.run(pipe._identity(attributes, settings, Known()))


def test_who_is_known() -> None:
    assert identity("vmail") == (1001, 1001)
    assert asyncio.run(local._default_rights("vmail", Known())).uid == 1001


@pytest.mark.parametrize(("user", "group"), [("hung", ""), ("vmail", "hung")])
def test_who_is_not_known_now(user: str, group: str) -> None:
    with pytest.raises(LookupFailure):
        identity(user, group)


@pytest.mark.parametrize(("user", "group"), [("root", ""), ("postfix", ""), ("ghost", ""), ("vmail", "root"), ("vmail", "ghost")])
def test_whose_rights_no_command_gets(user: str, group: str) -> None:
    with pytest.raises(PipeFault):
        identity(user, group)


@pytest.mark.parametrize("name", ["hung", "ghost", "root"])
def test_default_privs_that_are_none(name: str) -> None:
    with pytest.raises(LookupError, match=f"default_privs = {name}"):
        asyncio.run(local._default_rights(name, Known()))
