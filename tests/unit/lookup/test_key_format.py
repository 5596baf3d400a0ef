"""The `%` letters of queries and results: what Postfix's postmap(1) answered for the same keys and formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.key_format import BadFormat, KeyFormat, divided

KEYS = ("u7@example.com", "u7", "@example.com", "u7@", "a@b@c")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%s", KEYS),
        ("%u", ("u7", "u7", None, "u7", "a@b")),
        ("%d", ("example.com", None, "example.com", None, "c")),
        ("%u@%d", ("u7@example.com", None, None, None, "a@b@c")),
        ("%1", ("com", None, "com", None, "c")),
        ("%2.%1", ("example.com", None, "example.com", None, None)),
        ("%3", (None,) * 5),
        ("100%%s", ("100%s",) * 5),
        ("%%%u", ("%u7", "%u7", None, "%u7", "%a@b")),
        ("", ("",) * 5),
    ],
)
def test_queries(text: str, expanded: tuple[str | None, ...]) -> None:
    assert tuple(KeyFormat(text).expand(divided(key), divided(key)) for key in KEYS) == expanded


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%s", "box7@store.test"),
        ("%u/%d", "box7/store.test"),
        ("%S %U %D", "u7@example.com u7 example.com"),
        ("smtp:[%d] %1", "smtp:[store.test] com"),
    ],
)
def test_results(text: str, expanded: str) -> None:
    assert KeyFormat(text).expand(divided("box7@store.test"), divided("u7@example.com")) == expanded


def test_each_part_is_quoted_and_what_is_between_is_not() -> None:
    assert (
        KeyFormat("'%u'@'%d' %%").expand(divided("a'b@c'd"), divided(""), lambda part: part.replace("'", "''")) == "'a''b'@'c''d' %"
    )


@pytest.mark.parametrize("text", ["%z", "%", "%0", "%s %", "% s", "%\n", "%%%"])
def test_unknown_letters(text: str) -> None:
    with pytest.raises(BadFormat, match="followed by one of"):
        KeyFormat(text)


@given(st.text(), st.text(alphabet="%sudSUD129@.x"))
def test_a_percent_sign_in_a_key_means_nothing(key: str, text: str) -> None:
    """What a key has in it is never read as a format again."""
    try:
        read = KeyFormat(text)
    except BadFormat:
        return
    marked = read.expand(divided(key), divided(key), lambda part: "\0")
    assert marked is None or marked.count("\0") == text.replace("%%", "").count("%")
