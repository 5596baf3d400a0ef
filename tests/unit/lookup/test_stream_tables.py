"""tcp:, socketmap:, memcache: and redis: tables: how they are named, and who may not ask them."""

from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.registry import UNPROVEN, Tables


@pytest.mark.parametrize(
    "spec",
    ["tcp:nowhere", "tcp:127.0.0.1:no-such-service", "tcp:127.0.0.1:99999", "socketmap:inet:127.0.0.1:25", "socketmap:x:y",
     "socketmap:unix::x", "socketmap:inet:127.0.0.1:25:"],
)  # fmt: skip
def test_names_that_are_none(spec: str) -> None:
    with pytest.raises(Unavailable, match=f"write {spec.partition(':')[0]}:"):
        Tables(pytest.fail, strict=True).open(spec)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("memcache", "memcache = nowhere", r"line 1: memcache = nowhere: .*write inet:HOST:PORT"),
        ("memcache", "\nkey_format = %x", r"line 2: key_format"),
        ("memcache", "ttl = long", r"line 1: ttl = long"),
        ("memcache", "max_try = 0", r"line 1: max_try = 0: value below 1"),
        ("memcache", "backup = hash:/no/such", r"line 1: backup = hash:/no/such: open .*No such file"),
        ("redis", "redis = nowhere", r"line 1: redis = nowhere: .*write inet:HOST:PORT"),
        ("redis", "key_format = %x", r"line 1: key_format"),
        ("redis", "database = x", r"line 1: database"),
    ],
)
def test_mistakes_are_told_with_their_place(kind: str, text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "x.cf"
    file.write_text(f"{text}\n")
    with pytest.raises(Unavailable, match=rf"x\.cf, {why}"):
        Tables(pytest.fail, strict=True).open(f"{kind}:{file}")


@pytest.mark.parametrize("kind", sorted(UNPROVEN))
def test_no_server_that_anybody_could_be_gives_rights(kind: str) -> None:
    """Commands, files and users come from tables that local(8) and virtual(8) open so."""
    said: list[str] = []
    tables = Tables(said.append, said.append).for_rights()
    for spec in (f"{kind}:x", f"proxy:{kind}:x", f"unionmap:{{{kind}:x,static:y}}"):
        with pytest.raises(LookupFailure, match=f"{kind}:x map is not allowed for security-sensitive data"):
            drive(tables.open(spec).lookup("key"))
    assert all("security-sensitive" in line for line in said)
