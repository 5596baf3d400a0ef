"""`unix:passwd.byname` and `unix:group.byname`: the system's users and groups (DATABASE_README)."""

from collections.abc import Awaitable, Callable

from gatepost.lookup.accounts import Accounts
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable


async def _passwd(accounts: Accounts, name: str) -> str | None:
    user = await accounts.user_named(name)
    if user is None:
        return None
    return f"{user.name}:{user.password}:{user.uid}:{user.gid}:{user.gecos}:{user.home}:{user.shell}"


async def _group(accounts: Accounts, name: str) -> str | None:
    group = await accounts.group_named(name)
    if group is None:
        return None
    return f"{group.name}:{group.password}:{group.gid}:{','.join(group.members)}"


Ask = Callable[[Accounts, str], Awaitable[str | None]]
_DATABASES: dict[str, Ask] = {"passwd.byname": _passwd, "group.byname": _group}


class UnixTable:
    """Answers with the entry in the form of passwd(5) or group(5)."""

    __slots__ = ("_accounts", "_ask", "_folded", "name", "whole_key")

    def __init__(self, name: str, accounts: Accounts, ask: Ask, *, folded: bool) -> None:
        self.name = name
        self.whole_key = False
        self._accounts = accounts
        self._ask = ask
        self._folded = folded

    async def lookup(self, key: str) -> str | None:
        return await self._ask(self._accounts, key.lower() if self._folded else key)

    def close(self) -> None:
        pass


def open_table(opening: Opening) -> UnixTable:
    """Raises Unavailable for any other database."""
    if opening.name not in _DATABASES:
        raise Unavailable(opening.spec, f"unknown table: {opening.spec}")
    return UnixTable(opening.spec, opening.tables.accounts, _DATABASES[opening.name], folded=opening.fold)
