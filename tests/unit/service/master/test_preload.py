"""What a worker imports when it is needed was imported before its privileges went: Python may live where it cannot read."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION, HOST

import gatepost
from gatepost.config.configuration import Configuration
from gatepost.config.master import parse_master
from gatepost.config.parameters import PARAMETERS
from gatepost.config.syntax import MainFile
from gatepost.service.master.preload import may_fetch, may_use_tls, table_types

SOURCE = Path(gatepost.__file__).parent
LOADED = """
import json, sys
from gatepost.service.master.preload import import_all
import_all(tls={tls}, dnssec={tls}, fetching={tls}, tokens={tls})
print(json.dumps(list(sys.modules)))
"""


def imported(statement: ast.stmt) -> Iterator[str]:
    """The modules that a statement imports."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and statement.module:
        yield statement.module
        for alias in statement.names:
            name = f"{statement.module}.{alias.name}"
            if is_module(statement.module, name):
                yield name


def is_module(package: str, name: str) -> bool:
    """Whether `name` is a module of `package`."""
    try:
        found = importlib.util.find_spec(package)
        return bool(found and found.submodule_search_locations and importlib.util.find_spec(name))
    except ValueError:  # a module that has put something else in its place
        return False


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


def modules(*, tls: bool) -> set[str]:
    """What is there once all is imported."""
    done = subprocess.run([sys.executable, "-c", LOADED.format(tls=tls)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return modules(tls=True)


def test_what_only_scanners_need_is_theirs(loaded: set[str]) -> None:
    scanners = {"examination", "evals.registry", "learner.store", "match.group", "rules.reading", "scan", "text.rendering"}
    assert sorted(loaded & {f"gatepost.filter.{name}" for name in scanners}) == []


def test_nothing_is_imported_late(loaded: set[str]) -> None:
    assert sorted({pair for pair in late_imports() if pair[0] not in loaded}) == []


def test_certificates_cost_nothing_where_there_is_no_tls() -> None:
    assert not any(name.startswith(("cryptography", "dns.", "email.message", "h11", "jwt")) for name in modules(tls=False))


@pytest.mark.parametrize(
    ("main", "overrides", "uses"),
    [
        ({}, {}, False),
        ({"smtp_tls_security_level": "may"}, {}, True),
        ({"smtp_use_tls": "yes"}, {}, True),
        ({}, {"smtpd_tls_wrappermode": "yes"}, True),
    ],
)
def test_tls_is_expected_where_anything_of_it_is_set(main: dict[str, str], overrides: dict[str, str], uses: bool) -> None:
    lines = "".join(f"  -o {name}={value}\n" for name, value in overrides.items())
    master = parse_master(f"25 inet n - n - - smtpd\n{lines}", "master.cf")
    configuration = Configuration(Path("/etc/postfix"), MainFile({}), master, PARAMETERS, HOST).with_settings(main)
    assert may_use_tls(configuration) is uses


@pytest.mark.parametrize(
    ("name", "value", "fetches"),
    [
        ("smtpd_auth_backends", "file:/x", False),
        ("smtpd_auth_backends", "file:/x oauth:/y", True),
        ("smtp_tls_mta_sts", "testing", True),
        ("smtp_tlsrpt_enable", "yes", True),
        ("smtp_tlsrpt_enable", "no", False),
    ],
)
def test_https_is_expected_where_something_is_fetched(name: str, value: str, fetches: bool) -> None:
    assert may_fetch(CONFIGURATION.with_settings({name: value})) is fetches


def test_no_codec_is_found_missing(loaded: set[str]) -> None:
    assert sorted({pair for pair in codecs() if pair[0] not in loaded}) == []


def test_libraries_of_tables(tmp_path: Path) -> None:
    """Those that main.cf, master.cf or the file of a table may need."""
    file = tmp_path / "x.cf"
    file.write_text("backup = proxy:pgsql:/x\n")
    for main, kinds in {"a = hash:/x": [], "a = proxy:mysql:/x": ["mysql"], f"a = memcache:{file}": ["pgsql"]}.items():
        configuration = CONFIGURATION.with_settings({"virtual_alias_maps": main.removeprefix("a = ")})
        assert table_types(configuration) == kinds
