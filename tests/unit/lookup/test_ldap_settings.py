"""The parameters of LDAP tables: servers, words that there are not, and a library that is not there."""

from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup import ldap_settings, ldap_table, libldap
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_parameters import read_parameters


def opening(folder: Path, text: str, warnings: list[str] | None = None) -> Opening:
    path = folder / "t.cf"
    path.write_text(text)
    warn = pytest.fail if warnings is None else warnings.append
    return Opening("ldap", str(path), Tables(pytest.fail), warn, lambda: 0.0)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", ["ldap://localhost:389"]),
        ("server_host = a, b:1389 [::1] [::1]:1389\nserver_port = 778", ["ldap://a:778", "ldap://b:1389", "ldap://[::1]:778", "ldap://[::1]:1389"]),
        ("server_host = ldaps://a ldapi://%2Frun%2Fldapi LDAP://b:1/", ["ldaps://a", "ldapi://%2Frun%2Fldapi", "LDAP://b:1/"]),
    ],
)  # fmt: skip
def test_servers(tmp_path: Path, text: str, urls: list[str]) -> None:
    assert ldap_settings.servers(read_parameters(opening(tmp_path, text))) == urls


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("search_base = x\nserver_host = ldap://a/dc=x", r"line 2: server_host = .*components after host and port"),
        ("search_base = x\nserver_host = http://a", "no LDAP URL: http://a: write ldap://"),
        ("search_base = x\nserver_port = 99999", "server_port = 99999: value above 65535"),
        ("search_base = x\nbind = maybe", "bind = maybe: not one of yes"),
        ("search_base = x\nstart_tls = x", "start_tls = x: .*write yes or no"),
        ("search_base = x\nrecursion_limit = 0", "recursion_limit = 0: value below 1"),
        ("search_base = x\ntimeout = 0", "timeout = 0: value below 1"),
        ("search_base = x\nsize_limit = -1", "size_limit = -1: value below 0"),
        ("search_base = %z", 'search_base = %z: "%z" in "%z": % is followed by one of'),
        ("search_base = x\nquery_filter = (a=%)", "query_filter = .*% is followed by"),
        ("search_base = x\nresult_filter = %x", "result_filter = %x: .*% is followed by"),
        ("server_host = x", "search_base is not set"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        ldap_table.open_table(opening(tmp_path, text + "\n"))


def test_words_that_postfix_passes_over(tmp_path: Path) -> None:
    warnings: list[str] = []
    asked = opening(
        tmp_path, "search_base = x\nscope = all\nversion = 9\ndereference = 7\ncache = no\nquery_filter = (a=b)\n", warnings
    )
    parameters = read_parameters(asked)
    access, query = ldap_settings.access(parameters, warnings.append), ldap_settings.query(parameters, warnings.append)
    assert (access.version, access.dereference, query.scope) == (3, 0, 2)
    assert [line.partition("t.cf: ")[2] for line in warnings] == [
        "ignoring cache",
        "Unrecognized value 9 specified for version; using 3",
        "Unrecognized value 7 specified for dereference; using 0",
        "Fixed query_filter (a=b) is probably useless",
        "Unrecognized value all specified for scope; using sub",
    ]


def test_a_library_that_is_not_there_defers_and_says_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libldap, "LIBRARIES", ("libno-such.so.0",))
    libldap.library.cache_clear()
    spec = f"ldap:{opening(tmp_path, 'search_base = x').name}"
    errors: list[str] = []
    table = Tables(pytest.fail, errors.append).open(spec)
    assert "remedy: pip install 'gatepost[ldap]', and install the system's libldap" in errors[0]
    for _ in range(2):
        with pytest.raises(LookupFailure, match="tables of type ldap are not installed"):
            drive(table.lookup("key"))
