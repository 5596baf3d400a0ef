"""Tables of one process: opened once, named where they cannot be; indexed files that are rebuilt under way; `*_maps` in order."""

import os
from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup import indexed
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.registry import Tables


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_table_is_opened_once() -> None:
    tables = Tables(pytest.fail)
    assert tables.open("inline:{a=b}") is tables.open("inline:{a=b}")


def test_maps_ask_in_order() -> None:
    maps = Tables(pytest.fail).maps("inline:{a=1}, inline:{{a = 2} {b = 3}} regexp:{{/x/ pattern}}", "virtual_alias_maps")
    assert [drive(maps.find(key)) for key in ("A", "b", "x", "none")] == ["1", "3", "pattern", None]
    assert drive(maps.find("x", partial=True)) is None
    assert drive(maps.find_in("b")) == ("3", "inline:{{a = 2} {b = 3}}")
    assert not maps.empty
    assert Tables(pytest.fail).maps("").empty


def test_unsupported_type_is_named_and_fails_lookups() -> None:
    warnings: list[str] = []
    errors: list[str] = []
    maps = Tables(warnings.append, errors.append).maps("foo:bar", "alias_maps")
    assert (warnings, errors) == ([], ["unsupported dictionary type: foo"])
    with pytest.raises(LookupFailure):
        drive(maps.find("key"))
    assert warnings == ["foo:bar is unavailable. unsupported dictionary type: foo", 'foo:bar lookup error for "key"']
    with pytest.raises(Unavailable):
        Tables(pytest.fail, strict=True).open("foo:bar")


def test_each_service_hears_of_the_tables_that_it_opens(tmp_path: Path) -> None:
    networks = tmp_path / "networks"
    networks.write_text("127.0.0.1/8 OK\n")
    heard: dict[str, list[str]] = {"one": [], "two": []}
    one = Tables(heard["one"].append)
    two = one.heard_by(heard["two"].append, lambda text: heard["two"].append(f"error: {text}"))
    table = one.open(f"cidr:{networks}")
    one.open("unionmap:{foo:bar, inline:{a=b}}")
    assert heard["two"] == []
    assert two.open(f"cidr:{networks}") is table
    two.open(f"cidr:{networks}")
    two.open("unionmap:{foo:bar, inline:{a=b}}")
    *odd, unsupported = heard["one"]
    assert "non-null host address bits" in odd[0]
    assert (len(odd), unsupported) == (1, "unsupported dictionary type: foo")
    assert heard["two"] == [*odd, f"error: {unsupported}"]


def test_what_a_table_says_later_is_heard_once(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "t"
    path.write_text("a 1\n")
    heard: list[str] = []
    one = Tables(heard.append, clock=clock)
    two = one.heard_by(heard.append, heard.append)
    table = one.open(f"hash:{path}")
    assert two.open(f"hash:{path}") is table
    heard.clear()
    path.unlink()
    clock.now = 2.0
    assert drive(table.lookup("a")) == "1"
    assert len(heard) == 1


@pytest.mark.parametrize("spec", ["unionmap:{", "unionmap:{}", "pipemap:x", "pipemap:{static:x"])
def test_composed_tables_list_their_parts_in_braces(spec: str) -> None:
    kind = spec.partition(":")[0]
    with pytest.raises(Unavailable) as caught:
        Tables(pytest.fail, strict=True).open(spec)
    assert caught.value.why == f'bad syntax: "{spec}"; need "{kind}:{{type:name...}}"'


def test_an_empty_result_is_a_failure() -> None:
    warnings: list[str] = []
    with pytest.raises(LookupFailure):
        drive(Tables(warnings.append).maps("inline:{a=}", "alias_maps").find("a"))
    assert warnings == [
        "alias_maps lookup of a returns an empty string result",
        "alias_maps should return NO RESULT in case of NOT FOUND",
    ]


def test_a_failing_table_hides_those_after_it() -> None:
    warnings: list[str] = []
    with pytest.raises(LookupFailure):
        drive(Tables(warnings.append).maps("fail:x inline:{a=b}").find("a"))
    assert warnings == ['fail:x lookup error for "a"']


def test_texthash_with_a_key_twice(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("a 1\nA 2\n")
    with pytest.raises(Unavailable, match='line 2: duplicate entry: "a"'):
        Tables(pytest.fail, strict=True).open(f"texthash:{path}")
    warnings: list[str] = []
    assert drive(Tables(warnings.append, duplicates=True).open(f"texthash:{path}").lookup("a")) == "1"
    assert warnings == [f'{path}, line 2: duplicate entry: "a"']


def test_keys_fold_case() -> None:
    assert drive(Tables(pytest.fail).open("inline:{straße=street}").lookup("STRASSE")) == "street"
    assert drive(Tables(pytest.fail, fold=False).open("inline:{A=1}").lookup("a")) is None


def test_proxy_asks_only_what_is_approved() -> None:
    tables = Tables(pytest.fail, strict=True, proxied=["proxy:inline:{a=b}"])
    assert drive(tables.open("proxy:inline:{a=b}").lookup("a")) == "b"
    with pytest.raises(Unavailable, match="not configured for table"):
        tables.open("proxy:inline:{a=c}")


def test_a_rebuilt_file_is_noticed_within_a_second(tmp_path: Path) -> None:
    path, clock = str(tmp_path / "t"), Clock()
    indexed.build(path, {"a": "1"}, 0o644)
    table = Tables(pytest.fail, clock=clock).open(f"hash:{path}")
    indexed.build(path, {"a": "2"}, 0o644)
    assert drive(table.lookup("a")) == "1"
    clock.now = 1.0
    assert drive(table.lookup("a")) == "2"
    os.unlink(path + indexed.SUFFIX)


def test_a_file_that_goes_away_keeps_answering(tmp_path: Path) -> None:
    path, clock, warnings = str(tmp_path / "t"), Clock(), list[str]()
    indexed.build(path, {"a": "1"}, 0o644)
    table = Tables(warnings.append, clock=clock).open(f"hash:{path}")
    os.unlink(path + indexed.SUFFIX)
    clock.now = 1.0
    assert drive(table.lookup("a")) == "1"
    assert len(warnings) == 1
    assert "answering from what was read before" in warnings[0]


def test_types_and_configurations_share_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    indexed.build(path, {"a": "1"}, 0o644)
    one, two = Tables(pytest.fail), Tables(pytest.fail)
    opened = [one.open(f"hash:{path}"), one.open(f"lmdb:{path}"), two.open(f"hash:{path}")]
    one.close()
    assert drive(opened[2].lookup("a")) == "1"


@pytest.mark.parametrize("text", ["postmaster: root\n", "postmaster root\n"])
def test_text_answers_until_the_table_is_built(tmp_path: Path, text: str) -> None:
    path, clock, warnings = tmp_path / "aliases", Clock(), list[str]()
    path.write_text(text)
    (tmp_path / "aliases.db").write_bytes(b"Berkeley")
    table = Tables(warnings.append, clock=clock).open(f"hash:{path}")
    assert drive(table.lookup("Postmaster")) == "root"
    assert len(warnings) == 1
    assert f"run gatepost postmap hash:{path}" in warnings[0]
    indexed.build(str(path), {"postmaster": "joe"}, 0o644)
    clock.now = 1.0
    assert drive(table.lookup("postmaster")) == "joe"
    assert len(warnings) == 1


def test_a_berkeley_file_alone_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"Berkeley")
    with pytest.raises(Unavailable, match="run gatepost postmap hash:"):
        Tables(pytest.fail, strict=True).open(f"hash:{tmp_path}/t")


def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "t.lmdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(Unavailable):
        Tables(pytest.fail, strict=True).open(f"hash:{tmp_path}/t")


def test_a_large_table_with_large_values(tmp_path: Path) -> None:
    table = {f"key{n}": "v" * (n % 7 * 1000 + 1) for n in range(2000)}
    indexed.build(str(tmp_path / "t"), table, 0o600)
    assert os.stat(tmp_path / "t.lmdb").st_mode & 0o777 == 0o600
    opened = Tables(pytest.fail).open(f"lmdb:{tmp_path}/t")
    assert all(drive(opened.lookup(key)) == value for key, value in table.items())


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_built_file_that_is_cut_short_is_not_read(tmp_path: Path, keep: float) -> None:
    """To read beyond the end of a mapped file would end the process."""
    path = str(tmp_path / "t")
    indexed.build(path, {f"key-{n}": "x" * 100 for n in range(1000)}, 0o644)
    built = Path(path + indexed.SUFFIX)
    used = built.read_bytes()
    built.write_bytes(used[: int(len(used.rstrip(b"\0")) * keep)])
    with pytest.raises(LookupFailure):
        drive(Tables(lambda text: None).open(f"hash:{path}").lookup("key-500"))


def test_damage_in_a_built_file_is_a_failed_lookup(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    indexed.build(path, {f"key-{n}": "x" * 100 for n in range(1000)}, 0o644)
    built = Path(path + indexed.SUFFIX)
    data = built.read_bytes()
    built.write_bytes(data[:8192] + bytes(len(data) - 8192))
    with pytest.raises(LookupFailure, match="damaged"):
        drive(Tables(pytest.fail).open(f"hash:{path}").lookup("key-500"))


PARTS = "regexp:{{/^(.*)@here$/ box/$1} {/^other/ other/}}"


@pytest.mark.parametrize("spec", [PARTS, PARTS.replace("regexp", "pcre"), f"unionmap:{{{PARTS}}}", f"proxy:{PARTS}"])
def test_what_a_sender_must_not_choose_is_looked_up_without_substitution(spec: str) -> None:
    warnings: list[str] = []
    tables = Tables(warnings.append)
    safe = tables.without_substitution()
    assert drive(safe.open(spec).lookup("me@here")) is None
    assert drive(safe.open(spec).lookup("other@here")) == "other/"
    assert [text.partition(", ")[2] for text in warnings] == [
        "line 1: regular expression substitution is not allowed: skipping this rule"
    ]
    # Others, who open the same table, may have it.
    assert drive(tables.open(spec).lookup("me@here")) == "box/me"
    assert len(warnings) == 1
    assert safe.heard_by(pytest.fail, pytest.fail).open("inline:{a=b}") is tables.open("inline:{a=b}")
