"""The parameters of tables that ask servers: both forms, and mistakes with their place."""

from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.server_parameters import TableParameters, read_parameters, required

MAIN = CONFIGURATION.with_settings(
    {"host": "ldap1", "users_server_host": "$host:389", "users_bind_pw": "a$$b", "users_timeout": "x"}
)


def read(name: str, warnings: list[str] | None = None) -> TableParameters:
    tables = Tables(pytest.fail, access=ServerAccess(lambda: MAIN))
    warn = pytest.fail if warnings is None else warnings.append
    return read_parameters(Opening("ldap", name, tables, warn, lambda: 0.0))


def file(folder: Path, text: str) -> str:
    path = folder / "t.cf"
    path.write_text(text)
    return str(path)


def test_main_cf_is_expanded() -> None:
    users = read("users")
    assert users.text("server_host") == "ldap1:389"
    assert users.text("bind_pw") == "a$b"
    assert users.text("scope", "sub") == "sub"
    assert not users.is_set("scope")


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    users = read(file(tmp_path, "# users\nserver_host = $host:389\n   ldap2\nbind_pw = a$$b\ndomain =\n"))
    assert users.words("server_host") == ["$host:389", "ldap2"]
    assert users.text("bind_pw") == "a$$b"
    assert users.text("domain", "default") == ""
    assert users.is_set("domain")


def test_a_prefix_without_main_cf() -> None:
    with pytest.raises(Unavailable, match=r"main\.cf, which is not read here"):
        read_parameters(Opening("ldap", "users", Tables(pytest.fail), pytest.fail, lambda: 0.0))


def test_mistakes_say_file_and_line(tmp_path: Path) -> None:
    path = file(tmp_path, "server_host = x\ntimeout = ten\nbind = perhaps\nsize_limit = -1\nscope = all\n")
    users = read(path)
    for ask, why in (
        (lambda: users.number("timeout", 10), f"{path}, line 2: timeout = ten: "),
        (lambda: users.boolean("bind", True), f"{path}, line 3: bind = perhaps: .*: write yes or no"),
        (lambda: users.number("size_limit", 10), f"{path}, line 4: size_limit = -1: value below 0"),
        (lambda: users.choice("scope", {"sub": 2, "base": 0}, "sub"), f"{path}, line 5: scope = all: not one of sub, base"),
    ):
        with pytest.raises(Unavailable, match=why):
            ask()
    with pytest.raises(Unavailable, match="users_timeout = x: "):
        read("users").number("timeout", 10)


def test_what_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"t\.cf, line 2: missing '=' after attribute name: \"server host\": write: name = value"):
        read(file(tmp_path, "scope = sub\nserver host\n"))
    with pytest.raises(Unavailable, match="No such file or directory"):
        read("/no/such.cf")


def test_unknown_and_repeated_names_are_warned_of(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = file(tmp_path, "server_host = x\nfrobnicate = 1\nscope = sub\nscope = base\n")
    assert read(path, warnings).text("scope") == "base"
    assert warnings == [
        f"{path}, line 4: overriding earlier entry: scope=sub: remove line 3 or this one",
        f"{path}, line 2: unused parameter: frobnicate=1",
    ]


def test_passwords_are_not_told(tmp_path: Path) -> None:
    users = read(file(tmp_path, "bind_pw = secret\n"))
    assert "secret" not in users.wrong("bind_pw", "no good").why


def test_required() -> None:
    required(read("users"), ["server_host"])
    with pytest.raises(Unavailable, match="ldap:users: search_base is not set"):
        required(read("users"), ["server_host", "search_base"])


@pytest.mark.parametrize("name", ["bind_pwd", "bindpw", "Password", "bind_password", "secret"])
def test_passwords_stay_secret_under_a_mistaken_name_too(tmp_path: Path, name: str) -> None:
    warnings: list[str] = []
    read(file(tmp_path, f"{name} = xyzzy\n"), warnings)
    assert len(warnings) == 1
    assert "xyzzy" not in warnings[0]
