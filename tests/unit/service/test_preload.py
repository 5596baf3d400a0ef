"""What a worker imports when it is needed was imported before its privileges went: Python may live where it cannot read."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


def test_nothing_is_imported_late() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert sorted({pair for pair in late_imports() if pair[0] not in loaded}) == []
