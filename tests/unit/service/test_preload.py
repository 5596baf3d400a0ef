"""What a worker imports when it is needed was imported before its privileges went: Python may live where it cannot read."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatepost

SOURCE = Path(gatepost.__file__).parent
LOADED = "import json, sys; from gatepost.service.preload import import_all; import_all(); print(json.dumps(list(sys.modules)))"


def imported(statement: ast.stmt) -> Iterator[str]:
    """The modules that a statement imports."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and statement.module:
        yield statement.module
        for alias in statement.names:
            name = f"{statement.module}.{alias.name}"
            if importlib.util.find_spec(statement.module).submodule_search_locations and importlib.util.find_spec(name):  # type: ignore[union-attr]
                yield name


def late_imports() -> Iterator[tuple[str, str]]:
    """(module, file that imports it) of every import inside a function, outside the commands."""
    for path in SOURCE.rglob("*.py"):
        if "cli" not in path.relative_to(SOURCE).parts:
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
                    yield from ((name, path.name) for statement in statements for name in imported(statement))


def codecs() -> Iterator[tuple[str, str]]:
    """(module, file) of every codec that is named where octets become text or text octets: a module, imported at first use."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("encode", "decode"):
                for argument in node.args[:1]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield f"encodings.{argument.value.replace('-', '_')}", path.name


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_nothing_is_imported_late(loaded: set[str]) -> None:
    assert sorted({pair for pair in late_imports() if pair[0] not in loaded}) == []


def test_no_codec_is_found_missing(loaded: set[str]) -> None:
    assert sorted({pair for pair in codecs() if pair[0] not in loaded}) == []
