"""Cores of gatepost.lookup: texts of tables and lists, and the keys that strangers choose."""

from gatepost.lookup import aliases_text, braces, table_text
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.registry import Tables
from tests.fuzz.pieces import fields, octets, text, without_blanks
from tests.support.drive import drive


def _silent(text: str) -> None:
    octets(text)


def alias_file(data: bytes) -> None:
    """Entries of an alias file."""
    written = text(data)
    aliases_text.looks_like_aliases(written)
    for number, name, members in aliases_text.alias_entries("aliases", written, _silent):
        assert number > 0
        assert len(octets(name)) + len(octets(members)) <= 3 * len(written) + 2


def table_file(data: bytes) -> None:
    """Entries of a text that postmap(1) reads."""
    written = text(data)
    for number, key, value in table_text.entries("table", written, _silent):
        assert 0 < number <= written.count("\n") + 1
        assert key and value
        assert octets(value)
    for _, line in table_text.logical_lines(written):
        assert without_blanks(line)


def brace_lists(data: bytes) -> None:
    """Elements of a list hold all that is no separator."""
    written = text(data)
    elements = braces.split_list(written)
    assert len("".join(elements)) <= len(written)
    for element in elements:
        try:
            assert braces.unbrace(element) in element
        except braces.BraceError:
            continue


def match_lists(data: bytes) -> None:
    """A list answers, or says why not; whatever is asked."""
    value, name, address = map(text, fields(data, 3))
    heard: list[str] = []
    value = value.replace("/", "", 1) if value.lstrip("!").startswith("/") else value
    tables = Tables(heard.append)
    for listed, asked in (
        (MatchList.strings(value, tables, "list", heard.append), (name,)),
        (MatchList.domains(value, tables, "list", heard.append, parents=True), (name,)),
        (MatchList.hosts(value, tables, "list", heard.append), (name, address)),
    ):
        try:
            answer = drive(listed.matches(*asked))
            assert drive(listed.matches(*asked)) is answer
        except LookupFailure:
            assert heard


def cidr(data: bytes) -> None:
    """A table of networks, written in line."""
    _asked("cidr", data)


def inline(data: bytes) -> None:
    """A table of fixed strings, written in line."""
    _asked("inline", data)


def regexp(data: bytes) -> None:
    """POSIX patterns: rules, substitution, and a key of a stranger's."""
    _asked("regexp", data)


def pcre(data: bytes) -> None:
    """Perl patterns: rules, substitution, and a key of a stranger's."""
    _asked("pcre", data)


def _asked(kind: str, data: bytes) -> None:
    rules, key = map(text, fields(data, 2))
    if kind != "inline":
        rules = "{ " + " ".join(f"{{{rule}}}" for rule in rules.split("\n")) + " }"
    heard: list[str] = []
    table = Tables(heard.append).open(f"{kind}:{rules}")
    try:
        found = drive(table.lookup(key))
    except Unavailable:
        assert heard
    except LookupFailure:
        pass
    else:
        assert found is None or len(octets(found)) <= 10_000_000
    table.close()
