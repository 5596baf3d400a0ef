"""Which keys an address is looked up by: the orders of canonical(5), transport(5) and access(5)."""

import pytest
from tests.support.drive import drive

from gatepost.lookup.address import Keys, Match, find_address, find_domain, split_extension
from gatepost.lookup.registry import Maps, Tables


class Recorder:
    """A table without answers that remembers what it was asked."""

    name = "test:recorder"

    def __init__(self, whole_key: bool = False) -> None:
        self.whole_key = whole_key
        self.asked: list[str] = []

    async def lookup(self, key: str) -> str | None:
        self.asked.append(key)
        return None

    def close(self) -> None:
        pass


async def ours(domain: str) -> bool:
    return domain == "example.test"


def asked(address: str, keys: Keys, *, whole_key: bool = False) -> list[str]:
    table = Recorder(whole_key)
    maps = Maps((table,), "", pytest.fail)
    assert drive(find_address(maps, address, keys, delimiters="+", is_local=ours)) is None
    return table.asked


ORDERS = [
    ("joe+x@other.test", Keys.REWRITE, ["joe+x@other.test", "joe@other.test", "@other.test"]),
    ("joe+x@example.test", Keys.REWRITE, ["joe+x@example.test", "joe@example.test", "joe+x", "joe", "@example.test"]),
    ("joe@example.test", Keys.REWRITE, ["joe@example.test", "joe", "@example.test"]),
    ("joe", Keys.REWRITE, ["joe"]),
    ("joe+x@a.b.test", Keys.TRANSPORT, ["joe+x@a.b.test", "joe@a.b.test", "a.b.test", ".b.test", ".test"]),
    ("joe@a.b.test", Keys.TRANSPORT | Keys.PARENTS, ["joe@a.b.test", "a.b.test", "b.test", "test"]),
    (
        "joe+x@a.test",
        Keys.ACCESS | Keys.PARENTS,
        ["joe+x@a.test", "joe@a.test", "a.test", "test", "joe+x@", "joe@"],
    ),
    ("a b@x.test", Keys.FULL | Keys.USER_AT, ['"a b"@x.test', "a b@x.test", '"a b"@', "a b@"]),
]


@pytest.mark.parametrize(("address", "keys", "order"), ORDERS)
def test_order(address: str, keys: Keys, order: list[str]) -> None:
    assert asked(address, keys) == order


def test_patterns_see_the_whole_address_only() -> None:
    for address, keys, order in ORDERS[:-1]:
        assert asked(address, keys, whole_key=True) == order[:1]


def test_the_extension_that_the_key_lacks_is_told() -> None:
    maps = Tables(pytest.fail).maps("inline:{joe@x.test=bob}")
    found = drive(find_address(maps, "joe+lists@x.test", Keys.REWRITE, delimiters="+-"))
    assert found == Match("bob", "joe@x.test", "+lists", "inline:{joe@x.test=bob}")
    assert drive(find_address(maps, "joe+lists@x.test", Keys.REWRITE)) is None


def test_domains() -> None:
    maps = Tables(pytest.fail).maps("inline:{.b.test=1} regexp:{{/^a.b.test$/ 2}}")
    found = drive(find_domain(maps, "a.b.test", parents=False))
    assert found is not None
    assert (found.value, found.key) == ("1", ".b.test")
    whole = drive(find_domain(maps, "a.b.test", parents=False, whole=True))
    assert whole is not None
    assert whole.value == "2"


@pytest.mark.parametrize(
    ("local", "delimiters", "parts"),
    [
        ("joe+x", "+", ("joe", "+x")),
        ("joe-x+y", "+-", ("joe", "-x+y")),
        ("joe", "+", ("joe", "")),
        ("+x", "+", ("+x", "")),
        ("joe+", "+", ("joe", "+")),
        ("owner-list", "-", ("owner-list", "")),
        ("list-request", "-", ("list-request", "")),
        ("mailer-daemon", "-", ("mailer-daemon", "")),
        ("joe+x", "", ("joe+x", "")),
    ],
)
def test_extension(local: str, delimiters: str, parts: tuple[str, str]) -> None:
    assert split_extension(local, delimiters) == parts


def test_owner_is_a_user_where_that_is_not_special() -> None:
    assert split_extension("owner-list", "-", owner_request_special=False) == ("owner", "-list")
