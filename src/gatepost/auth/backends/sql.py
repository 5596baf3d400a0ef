"""`sql:PATH`: users in a database. The query of a table file (pgsql_table(5), mysql_table(5), sqlite_table(5)) gives what is stored
for a login: `{SCHEME}HASH`, as Dovecot has it; a password in the clear only behind {PLAIN}."""

import re
from collections.abc import Callable
from typing import Final

from gatepost.auth.backends import stored_password
from gatepost.auth.backends.hashing import Busy, Hashing
from gatepost.auth.backends.names import has_odd_spaces
from gatepost.auth.backends.stored_password import Malformed
from gatepost.auth.port import Attempt
from gatepost.config.syntax import parse_main
from gatepost.lookup.port import LookupFailure, Table
from gatepost.lookup.table_text import read_file
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict

_TYPED: Final = re.compile(r"(pgsql|mysql|sqlite):(/.+)")


class SqlUsers:
    """A Checker. `table`: takes logins as they are, upper and lower case apart."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self, table: Table, hashing: Hashing, warn: Callable[[str], None]) -> None:
        self._table = table
        self._hashing = hashing
        self._warn = warn
        self._decoy = stored_password.DECOY

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        password = question.password.octets
        try:
            stored = None if has_odd_spaces(question.user) else await self._table.lookup(question.user)
            if stored is None:  # the time of a hash shall not tell
                await self._hashing.run(lambda: stored_password.verify(self._decoy, password))
                return Refused()
            right = await self._hashing.run(lambda: _is(stored, password))
        except LookupFailure as failure:
            return Unavailable(failure.why)
        except Busy as busy:
            return Unavailable(str(busy))
        except Malformed as fault:
            self._warn(f"{self._table.name}: user {question.user}: {fault}")
            return Unavailable("what is stored for the user cannot be read")
        self._decoy = stored
        return Accepted(question.user) if right else Refused()


def _is(stored: str, password: bytes) -> bool:
    """Raises Malformed."""
    if _ROWS in stored:
        raise Malformed("the query finds more than one password")
    return stored_password.verify(stored, password)


_ROWS: Final = ",{"
"""Between results of a table; no hash has it."""


def table_of(path: str) -> str:
    """The table `type:path` that `sql:` names: with its type, or of the type that its parameters show. Raises ValueError;
    lookup.port.Unavailable for a file that cannot be read."""
    typed = _TYPED.fullmatch(path)
    if typed:
        return path
    if not path.startswith("/"):
        raise ValueError(f"sql:{path}: a full pathname is needed")
    settings = parse_main(read_file(path, f"sql:{path}"), path).settings
    hosts = settings["hosts"].value if "hosts" in settings else ""
    if "dbpath" in settings:
        return f"sqlite:{path}"
    if "postgres" in hosts:  # postgresql://..., or the directory of its sockets
        return f"pgsql:{path}"
    if "mysql" in hosts or "maria" in hosts or "option_file" in settings:
        return f"mysql:{path}"
    raise ValueError(f"sql:{path}: the file does not show what database it is for: write sql:pgsql:{path} or sql:mysql:{path}")
