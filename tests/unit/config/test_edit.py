"""Changes to main.cf and master.cf keep what is not asked for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import edit
from gatepost.config.layout import WIDTH, fold, service_line
from gatepost.config.master import parse_master
from gatepost.config.syntax import parse_main

MAIN = "# head\nmyhostname = a.test\nmydestination = a\n# inner\n  b\n\n  c\nbiff=no\n# tail\n"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"biff": "yes"}, MAIN.replace("biff=no", "biff = yes")),
        ({"mydestination": "x"}, "# head\nmyhostname = a.test\nmydestination = x\n# inner\n\nbiff=no\n# tail\n"),
        ({"relayhost": "r"}, MAIN + "relayhost = r\n"),
    ],
)
def test_set(values: dict[str, str], wanted: str) -> None:
    assert edit.set_parameters(MAIN, values).text == wanted


def test_set_in_a_file_without_final_line_end() -> None:
    assert edit.set_parameters("a = 1", {"b": "2"}).text == "a = 1\nb = 2\n"


def test_every_instance_is_set_and_counted() -> None:
    edited = edit.set_parameters("a = 1\nb = 2\na = 3\n", {"a": "4"})
    assert (edited.text, edited.met) == ("a = 4\nb = 2\na = 4\n", {"a": 2})


def test_remove() -> None:
    wanted = "# head\nmyhostname = a.test\n# inner\n\nbiff=no\n# tail\n"
    assert edit.remove_parameters(MAIN, {"mydestination": "", "nosuch": ""}).text == wanted


def test_comment() -> None:
    wanted = MAIN.replace("mydestination", "#mydestination").replace("  b", "#  b").replace("  c", "#  c")
    assert edit.comment_parameters(MAIN, {"mydestination": ""}).text == wanted


@given(st.text(alphabet="ab =#\n\t", max_size=60), st.sampled_from(["a", "b", "ab", "zz"]))
def test_what_is_set_is_read_and_nothing_else_changes(text: str, name: str) -> None:
    before, after = parse_main(text, ""), parse_main(edit.set_parameters(text, {name: "new"}).text, "")
    assert after.settings[name].value == "new"
    others = {key: one.value for key, one in before.settings.items() if key != name}
    assert {key: one.value for key, one in after.settings.items() if key != name} == others


def test_rewrite_keeps_mode_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "main.cf"
    path.write_text("a = 1\n")
    path.chmod(0o640)
    edit.rewrite(path, "a = 2\n")
    assert path.read_text() == "a = 2\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["main.cf"]


def test_columns_of_a_service() -> None:
    fields = ("127.0.0.1:10025", "inet", "n", "-", "n", "-", "-", "smtpd")
    assert service_line(fields, (), folded=False) == "127.0.0.1:10025 inet n   -       n       -       -       smtpd"


def test_options_of_a_folded_service_have_lines_of_their_own() -> None:
    fields = ("zz", "unix", "-", "n", "n", "-", "-", "smtpd")
    arguments = ("-v", "-o", "mydomain=b", "-v", "-D", "-o", "myhostname=c d", "flags=x", "foo")
    assert service_line(fields, arguments, folded=True).split("\n") == [
        "zz         unix  -       n       n       -       -       smtpd -v",
        "    -o mydomain=b",
        "    -v -D",
        "    -o {myhostname=c d}",
        "    flags=x foo",
    ]


@given(st.lists(st.text(alphabet="abc,", min_size=1, max_size=100), max_size=20))
def test_folding_keeps_words_and_width(words: list[str]) -> None:
    folded = fold(" ".join(words))
    assert folded.split() == words
    assert all(len(line) <= WIDTH or len(line.split()) == 1 for line in folded.split("\n"))


def test_a_parameter_of_a_service_stands_before_the_end_of_its_options() -> None:
    (entry,) = parse_master("smtp inet n - y - - smtpd -v -- x\n", "master.cf").services
    changed = edit.with_parameter(entry, "a", "b")
    assert changed.arguments == ("-v", "-o", "a=b", "--", "x")
    (other,) = parse_master("smtp inet n - y - - smtpd -s --\n", "master.cf").services
    assert edit.with_parameter(other, "a", "b").arguments == ("-s", "--", "-o", "a=b")
    assert (dict(changed.settings), edit.with_parameter(changed, "a", None).arguments) == ({"a": "b"}, entry.arguments)


def test_an_option_among_flags_is_found() -> None:
    (entry,) = parse_master("smtp inet n - y - - smtpd -vo a=b -n -o -oc=d\n", "master.cf").services
    assert edit.with_parameter(entry, "a", None).arguments == ("-v", "-n", "-o", "-oc=d")
    assert edit.with_parameter(entry, "a", "z").arguments == ("-v", "-o", "a=z", "-n", "-o", "-oc=d")
    assert edit.with_parameter(entry, "c", None).arguments == ("-v", "-o", "a=b", "-n", "-o")
