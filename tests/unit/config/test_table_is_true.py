"""What the parameter table says is so: its defaults stand nowhere else, and what it calls implemented is read by the code.

A parameter is read where the code takes an attribute of its name, or has its name as a string (whole, or put together by an
f-string such as `f"{program}_generic_maps"`). A field of a settings struct that nobody looks at does not count.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import gatepost
from gatepost.config.parameters import PARAMETERS, TRANSPORT_SUFFIXES, Parameter, Support
from gatepost.config.programs import BUILT_IN
from gatepost.deliver.smtp_settings import SmtpSettings, lmtp_name

SOURCE = Path(gatepost.__file__).parent
TREES = {file.relative_to(SOURCE).as_posix(): ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")}

NAME_ONLY = {file for file in TREES if file.startswith("config/parameters/")} | {
    "config/check.py",
    "config/words.py",
}
"""Modules that name parameters without obeying them."""

FOR_OTHERS = {"mail_release_date"}
"""What is there for other values to refer to."""

AHEAD = {
    "max_idle": "a field of something else",
    "proxy_read_maps": "postmap(1) tells what proxymap(8) would refuse",
}
"""What the code has a word for although the table says that it does nothing, and why."""


def settings_fields() -> Iterator[tuple[str, str, bool]]:
    """Fields of `...Settings` classes that have the name of a parameter: file, name, and whether they have a value of their own."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id in PARAMETERS:
                        yield file, field.target.id, field.value is not None


def words(tree: ast.AST) -> Iterator[str]:
    """Attributes taken and strings written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@functools.cache
def words_of(room: str) -> frozenset[str]:
    """The words of one room."""
    return frozenset(word for file, tree in TREES.items() if file.startswith(f"{room}/") for word in words(tree))


def patterns(tree: ast.AST) -> Iterator[str]:
    """f-strings that may put a parameter's name together, as regular expressions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else r"\w+" for part in node.values]
            fixed = "".join(str(part) for part in parts if part != r"\w+")
            if re.fullmatch(r"\w*_\w{4,}", fixed):
                yield "".join(map(str, parts))


@functools.cache
def read_by_name() -> frozenset[str]:
    """Names that the code takes as they are; the LMTP client reads its parameters under the names of the SMTP client's."""
    found = {word for file, tree in TREES.items() if file not in NAME_ONLY for word in words(tree)}
    clients = [name for name in SmtpSettings.__struct_fields__ if name in found]
    clients += [word for word in words(TREES["service/smtp_client.py"]) if word.startswith("smtp_")]
    return frozenset(found | set(map(lmtp_name, clients)))


@functools.cache
def is_read(name: str) -> bool:
    """Whether anything looks at a parameter: the code, the default of one that is looked at, or all transports' common limit."""
    if name in read_by_name() or name in FOR_OTHERS or any(re.fullmatch(one, name) for one in _ways()):
        return True
    referring = [*PARAMETERS.values(), *(row for row in TRANSPORT_SUFFIXES.values() if row.support is Support.DONE)]
    if any(is_read(row.name) or row.name in TRANSPORT_SUFFIXES for row in referring if name in _referred(row)):
        return True
    transport, _, suffix = name.partition("_")
    return transport in BUILT_IN and f"_{suffix}" in TRANSPORT_SUFFIXES


@functools.cache
def _ways() -> frozenset[str]:
    return frozenset(way for file, tree in TREES.items() if file not in NAME_ONLY for way in patterns(tree))


@functools.cache
def _referred(row: Parameter) -> frozenset[str]:
    return frozenset(re.findall(r"\$[{(]?(\w+)", row.default)) - {row.name}


def test_defaults_stand_in_the_table_alone() -> None:
    assert [(file, name) for file, name, has_value in settings_fields() if has_value] == []


def test_settings_ask_for_nothing_that_their_room_does_not_read() -> None:
    for file, name, _ in settings_fields():
        read = words_of(file.partition("/")[0]) | words_of("service")
        assert name in read or name in AHEAD or any(re.fullmatch(way, name) for way in _ways()), f"{file}: {name}"


def test_what_is_implemented_is_read() -> None:
    assert [row.name for row in PARAMETERS.values() if row.support is Support.DONE and not is_read(row.name)] == []


def test_what_is_read_is_implemented() -> None:
    idle = [row.name for row in PARAMETERS.values() if row.support is not Support.DONE]
    assert [name for name in idle if name in read_by_name() and name not in AHEAD] == []


def test_a_transport_limit_is_read_where_the_table_says_so() -> None:
    done = {suffix[1:] for suffix, row in TRANSPORT_SUFFIXES.items() if row.support is Support.DONE}
    assert done <= read_by_name()
