"""There is one way into the queue: nothing else makes a message for the store, or puts one there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gatepost

SOURCE = Path(gatepost.__file__).parent
INSIDE_THE_STORE = {"queue/committer.py", "queue/partitions.py", "queue/store.py", "queue/transaction.py"}
"""Where what was put is written down."""


def _nodes(*rooms: str) -> Iterator[tuple[str, ast.AST]]:
    for room in rooms:
        for path in sorted((SOURCE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                yield str(path.relative_to(SOURCE)), node


ABOVE_THE_STORE = ("queue", "receive", "admission", "deliver", "service", "cli")


def _speaks_of_the_store(node: ast.expr) -> bool:
    """Whether an expression is a store by its name: what has a `put`, and is no set of keys and no queue of a thread."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return any(word in name.lower() for word in ("store", "partition", "home"))


def test_nothing_but_the_last_stage_puts_a_message_into_the_store() -> None:
    callers = {
        file
        for file, node in _nodes(*ABOVE_THE_STORE)
        if isinstance(node, ast.Attribute) and node.attr == "put" and _speaks_of_the_store(node.value)
    }
    assert callers - INSIDE_THE_STORE == {"admission/storing.py"}


def test_nothing_but_stages_makes_a_message_for_the_store() -> None:
    makers = {
        file
        for file, node in _nodes(*ABOVE_THE_STORE)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NewMessage"
    }
    assert makers == {"admission/stages.py"}


def test_nothing_but_an_admission_opens_an_intake() -> None:
    makers = {
        file
        for file, node in _nodes(*ABOVE_THE_STORE)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("CleanupIntake", "Passage", "Storing")
    }
    assert makers == {"admission/admission.py", "admission/intake.py", "service/composition.py"}
