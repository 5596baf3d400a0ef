"""One table of the programs of master.cf: who wants to know something of a program asks its row, and keeps no list of its own."""

import ast
import inspect
import runpy
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest

import gatepost
from gatepost.config.check import System, check
from gatepost.config.loading import load
from gatepost.config.master import TYPES
from gatepost.config.parameters import PARAMETERS, Support
from gatepost.config.programs import PROGRAMS, Arguments, Program

SOURCE = Path(gatepost.__file__).parent
SCRIPT = Path(__file__).parents[3] / "scripts" / "services_page.py"
POSTFIX = frozenset(
    """anvil bounce cleanup discard dnsblog error flush lmtp local master nqmgr oqmgr pickup pipe postlogd postscreen proxymap
    qmgr qmqpd scache showq smtp smtpd spawn tlsmgr tlsproxy trivial-rewrite verify virtual""".split()
)

ELSEWHERE = {
    "admission/intake.py": "where mail comes from",
}
"""Literals that name programs and are no list of them."""


def literals(file: Path) -> Iterator[tuple[int, set[str]]]:
    """Each set, tuple, list, mapping or text that is written out in a file: its line and the words that stand in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        members: list[ast.expr | None] = []
        if isinstance(node, ast.Set | ast.List | ast.Tuple):
            members = [*node.elts]
        elif isinstance(node, ast.Dict):
            members = node.keys
        words = {one.value for one in members if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = set(node.value.split()) if len(node.value.split()) > 4 else set()
        yield getattr(node, "lineno", 0), words


def lists_of_programs() -> list[str]:
    return sorted(
        {
            f"{file.relative_to(SOURCE)}:{line}"
            for file in SOURCE.rglob("*.py")
            if file.name != "programs.py" and str(file.relative_to(SOURCE)) not in ELSEWHERE
            for line, words in literals(file)
            if len(words & PROGRAMS.keys()) > 1 and len(words & PROGRAMS.keys()) * 2 >= len(words)
        }
    )


def test_there_is_one_list() -> None:
    assert lists_of_programs() == []


def checked(tmp_path: Path, line: str) -> list[str]:
    """What `gatepost check` says of a master.cf of one line about its daemon."""
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text(line + "\n")
    found = check(load(tmp_path), System(exists=lambda path: True, privileged=False))
    return [fault.text for fault in found if "daemon" in fault.text or "connections" in fault.text]


@pytest.mark.parametrize("name", PROGRAMS)
def test_check_knows_every_program(tmp_path: Path, name: str) -> None:
    arguments = " user=nobody argv=/bin/true" if PROGRAMS[name].arguments is Arguments.COMMAND else ""
    assert checked(tmp_path, f"a unix - - n - - {name}{arguments}") == []
    assert checked(tmp_path, f"a unix - - n - - {name}s{arguments}".replace(arguments, "")) == [f"unknown daemon {name}s"]


def test_check_knows_on_which_types_a_program_listens(tmp_path: Path) -> None:
    """Nobody would listen on such a line, and nothing else would say so."""
    assert checked(tmp_path, "a fifo - - n - - smtpd") == ["service a/fifo: smtpd takes no connections of type fifo"]
    assert checked(tmp_path, "a fifo n - n - - pickup") == []


@pytest.mark.parametrize("row", [row for row in PROGRAMS.values() if row.builder], ids=lambda row: row.name)
def test_what_is_built_has_a_builder(row: Program) -> None:
    wanted = ["way_out", "entry"] if row.transport else ["way_in", "entry", "tls", "limit"]
    assert [*inspect.signature(resolve_name(row.builder)).parameters] == ["materials", *wanted]


def test_rows_agree_with_themselves() -> None:
    for row in PROGRAMS.values():
        assert bool(row.builder) == (row.transport or bool(row.listens)) - row.spawned, row.name
        assert row.support is not Support.NOT_YET, row.name
        assert row.transport or not (row.services or row.status_filter or row.limits), row.name
        assert not row.status_filter or f"{row.name}_delivery_status_filter" in PARAMETERS, row.name
        assert set(row.listens) <= set(TYPES), row.name


def test_every_program_of_postfix_is_there() -> None:
    """Those of its daemon_directory that master.cf may name."""
    assert {row.name for row in PROGRAMS.values() if not row.since} == POSTFIX


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    """`make docs` writes it."""
    script = runpy.run_path(str(SCRIPT))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()
