"""What the parameter table says is so: nothing else in the code repeats its defaults."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gatepost
from gatepost.config.parameters import PARAMETERS

SOURCE = Path(gatepost.__file__).parent
TREES = {file.relative_to(SOURCE).as_posix(): ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")}


def settings_with_defaults() -> Iterator[str]:
    """Fields of a `...Settings` class that have the name of a parameter and a value of their own."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value:
                        if field.target.id in PARAMETERS:
                            yield f"{file}: {field.target.id}"


def test_defaults_stand_in_the_table_alone() -> None:
    assert list(settings_with_defaults()) == []
