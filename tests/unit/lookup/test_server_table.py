"""What all tables that ask servers have in common: which keys they ask about, and that a failure is never an answer."""

from collections.abc import Mapping

import pytest
from tests.support.drive import drive
from tests.support.settings import CONFIGURATION

from gatepost.lookup import library, pattern_time
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.server_table import Domains, ServerTable
from gatepost.net.stream_port import StreamFailure, Trouble


class Memory:
    """A source that answers from memory, or fails."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.owners: list[str] = []
        self.failure: StreamFailure | None = None

    async def find(self, key: str, owner: str) -> str | None:
        self.asked.append(key)
        self.owners.append(owner)
        if self.failure:
            raise self.failure
        return self.answers.get(key)

    async def probe(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        pass


def table(source: Memory, domain: str = "", warnings: list[str] | None = None, *, fold: bool = True) -> ServerTable:
    warn = pytest.fail if warnings is None else warnings.append
    opening = Opening("ldap", "users", Tables(warn), warn, lambda: 0.0, fold)
    return ServerTable(opening, source, Domains(domain, opening) if domain else None)


def test_found_and_not() -> None:
    source = Memory({"a@example.com": "b"})
    users = table(source)
    assert drive(users.lookup("A@Example.COM")) == "b"
    assert drive(users.lookup("other")) is None
    assert source.asked == ["a@example.com", "other"]
    assert drive(table(source, fold=False).lookup("A@Example.COM")) is None


def test_an_answer_with_nul_is_none() -> None:
    """Who cuts it there has another address than we."""
    warnings: list[str] = []
    with pytest.raises(LookupFailure, match="NUL in the answer"):
        drive(table(Memory({"a@example.com": "b@example.com\0.net"}), warnings=warnings).lookup("a@example.com"))
    assert warnings == ["ldap:users: NUL in the answer for a@example.com"]


@pytest.mark.parametrize("key", ["", "a\0b", "k\udcff", "k" * 2049])
def test_what_no_server_could_know_is_not_asked(key: str) -> None:
    source = Memory({})
    assert drive(table(source).lookup(key)) is None
    assert not source.asked


def test_answers_are_remembered_where_that_is_wanted() -> None:
    """The next question of a key is not asked; a failure is nothing to remember."""
    source = Memory({"a": "b"})
    main = CONFIGURATION.with_settings({"helper_answer_lifetime": "5s"})
    tables = Tables(pytest.fail, access=ServerAccess(lambda: main))
    users = ServerTable(Opening("ldap", "users", tables, lambda text: None, lambda: 0.0), source)
    source.failure = StreamFailure(Trouble.TIMEOUT)
    with pytest.raises(LookupFailure):
        drive(users.lookup("a"))
    source.failure = None
    for _ in range(3):
        assert drive(users.lookup("A")) == "b"
        assert drive(users.lookup("none")) is None
    assert source.asked == ["a", "a", "none"]


def test_domains() -> None:
    source = Memory({})
    users = table(source, "example.com, inline:{example.org=x}")
    for key in ("a@example.com", "a@EXAMPLE.ORG", "a@sub.example.com", "a@other", "a", "example.com", "@example.com", "a@", "@"):
        assert drive(users.lookup(key)) is None
    assert source.asked == ["a@example.com", "a@example.org"]


def test_a_list_of_domains_that_fails() -> None:
    warnings: list[str] = []
    with pytest.raises(LookupFailure):
        drive(table(Memory({}), "fail:x", warnings).lookup("a@example.com"))
    assert warnings == ["ldap:users:domain: fail:x: table lookup problem"]


def test_a_failure_is_no_answer_and_is_told_once_a_minute() -> None:
    warnings: list[str] = []
    source = Memory({})
    users = table(source, warnings=warnings)
    source.failure = StreamFailure(Trouble.TIMEOUT)
    for _ in range(3):
        with pytest.raises(LookupFailure, match="Connection timed out"):
            drive(users.lookup("a"))
    source.failure = StreamFailure(Trouble.AWAY)  # told by the breaker
    with pytest.raises(LookupFailure, match="counts as away"):
        drive(users.lookup("a"))
    assert warnings == ["ldap:users: Connection timed out"]


def test_a_question_counts_for_the_client_of_the_session() -> None:
    source = Memory({})
    with pattern_time.apart():
        pattern_time.current().client = "192.0.2.1"
        drive(table(source).lookup("a"))
    drive(table(source).lookup("b"))
    assert source.owners == ["192.0.2.1", ""]


def test_a_library_that_is_not_installed() -> None:
    with pytest.raises(Unavailable) as failure:
        library.library("no_such_library", "pgsql:/x.cf")
    told = "tables of type pgsql are not installed (no_such_library: No module named 'no_such_library'); "
    assert failure.value.why == told + "remedy: pip install 'gatepost[pgsql]'"


@pytest.mark.parametrize("kind", ["mongodb", "nisplus"])
def test_types_of_other_postfixes(kind: str) -> None:
    with pytest.raises(Unavailable, match=rf"unsupported dictionary type: {kind} \(.*hash: table"):
        Tables(pytest.fail, strict=True).open(f"{kind}:/x")
