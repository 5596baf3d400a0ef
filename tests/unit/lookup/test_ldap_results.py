"""What is made of entries: result attributes by their roles, groups, limits."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from gatepost.lookup import ldap_results
from gatepost.lookup.key_format import KeyFormat, divided
from gatepost.lookup.ldap_connection import Outcome, Search
from gatepost.lookup.ldap_results import Collecting
from gatepost.lookup.ldap_settings import Attributes, Query
from gatepost.lookup.libldap import Entry
from gatepost.lookup.port import LookupFailure

Tree = Mapping[str, Mapping[str, Sequence[str]]]


def query(**changes: object) -> Query:
    roles = {"result": {"mail"}, "special": {"member"}, "terminal": {"drop"}, "leaf": {"leaf"}}
    usual: dict[str, object] = {
        "base": KeyFormat("dc=x"),
        "scope": 2,
        "filter": KeyFormat("(k=%s)"),
        "result": KeyFormat("%s"),
        "attributes": Attributes(*map(frozenset, roles.values())),
        "asked": ("mail", "member", "drop", "leaf"),
        "recursion_limit": 10,
        "expansion_limit": 0,
        "size_limit": 0,
    }
    return Query(**{**usual, **changes})  # type: ignore[arg-type]


def find(
    tree: Tree, asked: Query | None = None, warnings: list[str] | None = None, searches: list[Search] | None = None
) -> list[str]:
    """The results where the key finds the entry `top`."""

    async def ask(search: Search) -> Outcome:
        if searches is not None:
            searches.append(search)
        dn = "top" if search.base == "dc=x" else search.base
        if dn not in tree:
            return Outcome(32, "No such object", [])
        return Outcome(0, "", [Entry(dn, tuple((name, tuple(values)) for name, values in tree[dn].items()))])

    warn = warnings.append if warnings is not None else pytest.fail
    collecting = Collecting("ldap:x", asked or query(), ask, divided("a@example.com"), 10, 1000, warn)
    return asyncio.run(collecting.find("dc=x", "(k=a)"))


def test_values_stand_in_the_order_of_the_entry() -> None:
    tree = {"top": {"member": ["one", "two"], "MAIL": ["top1", "top2"]}, "one": {"mail": ["a"]}, "two": {"mail": ["b", "c"]}}
    assert find(tree) == ["a", "b", "c", "top1", "top2"]


def test_terminal_attributes_end_it() -> None:
    assert find({"top": {"mail": ["a"], "member": ["one"], "drop": ["d"], "leaf": ["l"]}, "one": {"mail": ["b"]}}) == ["d"]


def test_leaf_attributes_of_a_group_do_not_count() -> None:
    assert find({"top": {"mail": ["a"], "leaf": ["l"], "member": ["one"]}, "one": {"leaf": ["m"], "mail": ["b"]}}) == [
        "a",
        "m",
        "b",
    ]


def test_a_member_that_is_gone_is_passed_over() -> None:
    warnings: list[str] = []
    assert find({"top": {"member": ["gone", "one"]}, "one": {"mail": ["a"]}}, warnings=warnings) == ["a"]
    assert warnings == ["ldap:x: member=gone not found, skipping"]


def test_a_url_asks_for_attributes_that_the_table_has() -> None:
    searches: list[Search] = []
    warnings: list[str] = []
    tree = {
        "top": {"member": ["ldap:///one?mail,phone?sub?(x=y)", "ldap:///one?phone", "ldap:///one??odd"]},
        "one": {"mail": ["a"]},
    }
    assert find(tree, warnings=warnings, searches=searches) == ["a"]
    assert (searches[1].attributes, searches[1].scope, searches[1].filter) == (("mail",), 2, "(x=y)")
    assert len(searches) == 2
    assert len(warnings) == 2


@pytest.mark.parametrize(("limit", "found"), [(2, None), (3, ["a", "b", "c"]), (0, ["a", "b", "c"])])
def test_expansion_limit(limit: int, found: list[str] | None) -> None:
    tree = {"top": {"mail": ["a"], "member": ["one"]}, "one": {"mail": ["b", "c"]}}
    if found is not None:
        assert find(tree, query(expansion_limit=limit)) == found
        return
    with pytest.raises(LookupFailure, match="Expansion limit exceeded"):
        find(tree, query(expansion_limit=limit), [])


@pytest.mark.parametrize(("limit", "ends_well"), [(1, False), (2, False), (3, True)])
def test_recursion_limit(limit: int, ends_well: bool) -> None:
    tree = {"top": {"member": ["one"]}, "one": {"member": ["two"]}, "two": {"mail": ["a"]}}
    if ends_well:
        assert find(tree, query(recursion_limit=limit)) == ["a"]
        return
    with pytest.raises(LookupFailure, match="Recursion limit exceeded for special attribute"):
        find(tree, query(recursion_limit=limit), [])


def test_groups_that_double_at_each_level_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldap_results, "MOST_SEARCHES", 50)
    tree = {str(level): {"member": [str(level + 1)] * 2} for level in range(30)}
    searches: list[Search] = []
    with pytest.raises(LookupFailure, match="More than 50 searches"):
        find({"top": {"member": ["0"]}, **tree, "30": {}}, query(recursion_limit=1000), [], searches)
    assert len(searches) == 50


def test_all_answers_of_a_lookup_are_bounded_together() -> None:
    """Each is small enough (1000 octets); a group has as many as it likes."""
    tree = {"top": {"member": ["one"] * 40}, "one": {"phone": ["5" * 500]}}
    with pytest.raises(LookupFailure, match="More than 16000 octets of entries"):
        find(tree, query(), [])


def test_results_are_bounded_whatever_the_format_makes_of_them() -> None:
    tree = {"top": {"mail": ["a"] * 20}}
    assert len(find(tree)) == 20
    with pytest.raises(LookupFailure, match="More than 1000 octets of results"):
        find(tree, query(result=KeyFormat("%S" * 10)), [])


def test_a_base_that_is_not_there() -> None:
    with pytest.raises(LookupFailure, match="Search base 'dc=x' not found"):
        find({}, warnings=[])
    assert find({}, query(base=KeyFormat("dc=%2"))) == []  # a key without an entry of its own


def test_results_are_formatted() -> None:
    tree = {"top": {"mail": ["box@store.test", "no domain", ""]}}
    assert find(tree, query(result=KeyFormat("%u/%d/%U"))) == ["box/store.test/a"]
