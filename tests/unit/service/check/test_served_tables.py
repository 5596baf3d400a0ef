"""`gatepost check` opens tables as a worker will, and asks servers once."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from gatepost.config.configuration import Configuration
from gatepost.config.loading import load
from gatepost.lookup import libldap
from gatepost.lookup.ldap_table import Directory
from gatepost.service.check.served_tables import check_tables


def configuration(folder: Path, main: str) -> Configuration:
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text("")
    return load(folder)


def told(folder: Path, main: str, *, ask: bool = False) -> list[str]:
    return [f"{fault.place}: {fault.text}" for fault in check_tables(configuration(folder, main), ask=ask)]


def test_a_mistake_in_a_table_of_main_cf(tmp_path: Path) -> None:
    main = "virtual_alias_maps =\n  proxy:ldap:users\nusers_search_base = dc=x\nusers_bind = perhaps\n"
    [fault] = told(tmp_path, main)
    assert fault.startswith(f"{tmp_path}/main.cf, line 1: {tmp_path}/main.cf, line 4: users_bind = perhaps: not one of yes")


def test_a_mistake_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x.cf"
    file.write_text("search_base = x\nserver_port = many\n")
    [fault] = told(tmp_path, f"smtpd_sender_restrictions = check_sender_access ldap:{file}\n")
    assert f"{file}, line 2: server_port = many: " in fault


def test_what_is_passed_over_is_told_once(tmp_path: Path) -> None:
    main = "virtual_alias_maps = ldap:u\nu_search_base = x\nu_scope = all\nalias_maps = $virtual_alias_maps, hash:/no/such\n"
    [fault] = told(tmp_path, main)
    assert fault.endswith("main.cf, line 1: ldap:u: Unrecognized value all specified for scope; using sub")


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libldap, "LIBRARIES", ("libno-such.so.0",))
    libldap.library.cache_clear()
    [fault] = told(tmp_path, "virtual_alias_maps = ldap:u\nu_search_base = x\n", ask=True)
    assert "remedy: pip install 'gatepost[ldap]'" in fault


def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "aliases.db").write_bytes(b"x")
    [fault] = told(tmp_path, f"alias_maps = hash:{tmp_path}/aliases\n")
    assert "is not in a format that can be read; run gatepost postmap" in fault


@pytest.mark.parametrize("ask", [True, False])
def test_servers_are_asked_once_each_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: bool) -> None:
    asked: list[Directory] = []

    async def probe(directory: Directory) -> Mapping[str, str]:
        asked.append(directory)
        await asyncio.sleep(0)
        return {"ldap://a:389": "Can't contact LDAP server"}

    monkeypatch.setattr(Directory, "probe", probe)
    main = "virtual_alias_maps = ldap:u\nalias_maps = proxy:ldap:u, pipemap:{ldap:u, static:x}\nu_search_base = x\n"
    found = told(tmp_path, main, ask=ask)
    assert len(asked) == ask
    assert found == [f"{tmp_path}/main.cf, line 1: ldap:u: server ldap://a:389: Can't contact LDAP server"] * ask
