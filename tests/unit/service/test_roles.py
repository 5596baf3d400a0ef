"""One table of the processes that the supervisor starts: who wants to know something of a role asks its row."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest
from tests.support.settings import CONFIGURATION, HOST

import gatepost.service
from gatepost.config.configuration import Configuration
from gatepost.config.master import parse_master
from gatepost.config.parameters import PARAMETERS
from gatepost.config.syntax import MainFile
from gatepost.service.roles import ROLES, SCANNER, Role

SERVICE = Path(gatepost.service.__file__).parent
NAMES = {role.name for role in ROLES}


def compared(file: Path) -> Iterator[tuple[str, int]]:
    """Where a file compares something with the name of a role."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Compare):
            for one in ast.walk(node):
                if isinstance(one, ast.Constant) and one.value in NAMES:
                    yield file.name, node.lineno


def test_nobody_asks_who_it_is() -> None:
    files = [*(SERVICE / "master").glob("*.py"), *(SERVICE / "walls").glob("*.py")]
    assert [place for file in files for place in compared(file)] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_row_agrees_with_itself(role: Role) -> None:
    rights = role.rights
    assert [*inspect.signature(resolve_name(role.body)).parameters] == ["inheritance"]
    assert rights.as_owner or rights.capabilities, "root with all its powers"
    assert not (rights.as_owner and rights.capabilities), "whoever is not root has none"
    assert rights.capabilities <= rights.of_programs or not rights.of_programs
    assert rights.walls or not rights.changes
    assert role.serves or role.sockets or role.wanted, "nobody could ask it"
    assert role.stop > 0


def test_no_two_roles_share_a_name_or_a_socket() -> None:
    assert len(NAMES) == len(ROLES)
    sockets = [path for role in ROLES for path in role.sockets]
    assert len(sockets) == len(set(sockets))
    assert all(len(path.parts) == 2 and not path.is_absolute() for path in sockets)


def test_workers_end_before_those_whom_they_ask() -> None:
    worker = next(role for role in ROLES if role.serves)
    assert all(worker.stop < role.stop for role in ROLES if role is not worker)


SPAMD = "filter_spam_scanner=spamd:127.0.0.1:783"


@pytest.mark.parametrize(
    ("everywhere", "options", "wanted"),
    [
        ("no", "", False),
        ("no", "-o filter_before_queue=yes", True),
        ("no", f"-o filter_before_queue=yes -o {SPAMD}", False),
        ("yes", "", True),
        ("yes", "-o filter_before_queue=no", True),  # sendmail(1) has no line here
    ],
)
def test_there_are_scanners_where_they_are_asked(everywhere: str, options: str, wanted: bool) -> None:
    master = parse_master(f"smtp inet n - n - - smtpd {options}\n", "master.cf")
    configuration = Configuration(Path("/etc/postfix"), MainFile({}), master, PARAMETERS, HOST)
    assert SCANNER.is_wanted(configuration.with_settings({"filter_before_queue": everywhere})) is wanted


def test_a_spamd_takes_the_place_of_scanners() -> None:
    name, _, server = SPAMD.partition("=")
    assert not SCANNER.is_wanted(CONFIGURATION.with_settings({"filter_before_queue": "yes", name: server}))
