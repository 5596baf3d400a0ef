"""Expansion, against what Postfix 3.7 answers to the same values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.expand import ExpansionError, expand, fill, references

NAMES = {"myhostname": "mail.example.test", "mydomain": "example.test", "relayhost": "", "alias": "$relayhost", "five": "5"}

EXPANDED = [
    ("$myhostname", "mail.example.test"),
    ("$(myhostname)", "mail.example.test"),
    ("${ myhostname}", "mail.example.test"),
    ("${myhostname}x$(relayhost)y", "mail.example.testxy"),
    ("$nosuch-host", "-host"),
    ("$$HOME", "$HOME"),
    ("$${a", "${a"),
    ("${myhostname?set}", "set"),
    ("${myhostname?a:b}", "a:b"),
    ("${myhostname?}", ""),
    ("${nosuch:unset}", "unset"),
    ("${relayhost:n?m}", "n?m"),
    ("${relayhost?yes}x", "x"),
    ("${alias?yes}", "yes"),  # the test is on the value as written
    ("${myhostname?{yes}:{no}}", "yes"),
    ("${myhostname ?{a} : {b} }", "a"),
    ("${myhostname?{a}:b c}", "a"),
    ("${relayhost?{a}: b c}", "b c"),
    ("${myhostname?{  spaces  }:{no}}", "spaces"),
    ("${relayhost:{brace else}}", "brace else"),
    ("$(myhostname?{a}:{b})", "a"),
    ("${{a}=={a}}", "true"),
    ("${{a}=={b}}", ""),
    ("${{ a } == { a }?x:y}", "x:y"),
    ("${{$mydomain} == {example.test}?{same}:{different}}", "same"),
    ("${{$mydomain} != {example.test}?{different}:{same}}", "same"),
    ("${{1} < {10}?{less}:{not}}", "less"),
    ("${{10x}>{9x}?x:y}", ""),  # not all digits: compared as text
    ("${{-1} < {1}?x:y}", "x:y"),
    ("${{010}=={10}?x:y}", "x:y"),
    ("${{2}<{1}:n}", "n"),
    ("${{a} == {b}?{same}}end", "end"),
    ("${{" + "0" * 5000 + "10} > {9}?x:y}", "x:y"),  # numbers of any length
    ("${{" + "1" * 5000 + "} < {" + "2" * 5000 + "}?x:y}", "x:y"),
    ("${{" + "1" * 5000 + "} < {2}?x:y}", ""),
    ("${{5} == {$five}?{$five}:n}", "5"),
    ("${{3.10} >level {3.9}?{x}:{y}}", "x"),
    ("${{1} <level {1} ? {yes} : {no}}", "no"),
    ("${stress?{10}:{300}}s", "300s"),
]

REFUSED = [
    ("${myhostname", 'truncated macro reference: "${myhostname"'),
    ("$(myhostname", 'truncated macro reference: "$(myhostname"'),
    ("${{a}", 'truncated macro reference: "${{a}"'),
    ("${}", 'empty macro name: "${}"'),
    ("a $ b", 'empty macro name: "a $ b"'),
    ("cost 5$", 'empty macro name: "cost 5$"'),
    ("${my-host}", 'attribute name syntax error at: "...my>>>-host"'),
    ("${myhostname?{a}b}", '":" expected at: "...a}>>>b"'),
    ("${myhostname?{yes}:{no}junk}", 'unexpected input at: "...no}>>>junk"'),
    ("${myhostname:{a}:{b}}", 'unexpected input at: "...a}>>>:{b}"'),
    ("${{a}==a?x:y}", 'bad operator suffix at: "...==>>>a"'),
    ("${{a}==}", '"{expression}" expected at: "...{a} ==>>>"'),
    (
        "${{a} ~ {b}?{x}:{y}}",
        '"==" or "!="" or "<"" or "<="" or ">="" or ">" expected at: "...a}>>>~ {b}?{x}:{y}"',
    ),
    ("${{x} <level {1} ? {a} : {b}}", 'malformed compatibility level syntax: "x"'),
    ("${{3.10.x} >level {3.9}?x:y}", 'malformed compatibility level syntax: "3.10.x"'),
]


@pytest.mark.parametrize(("text", "wanted"), EXPANDED)
def test_value(text: str, wanted: str) -> None:
    assert expand(text, NAMES.get) == wanted


@pytest.mark.parametrize(("text", "complaint"), REFUSED)
def test_mistake_is_told_in_postfix_words(text: str, complaint: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        expand(text, NAMES.get)
    assert str(caught.value) == complaint


def test_what_is_filled_in_is_not_looked_into() -> None:
    """A template that others fill in: what they give is text, whatever it looks like."""
    given = {"a": "$b${b}$$", "b": "$a"}
    assert fill("<$a> ${a?{$b}} ${{$b} == {$b}?{same}:{other}} $$", given.get) == "<$b${b}$$> $a same $"
    with pytest.raises(ExpansionError):
        expand("$a", given.get)


def test_mistake_in_the_branch_not_taken_is_none() -> None:
    assert expand("${relayhost?${foo bar}}", NAMES.get) == ""


def test_value_that_refers_to_itself() -> None:
    with pytest.raises(ExpansionError, match='unreasonable macro call nesting: "a"'):
        expand("$a", {"a": "x$a"}.get)


def test_references_of_all_branches() -> None:
    assert list(references("${{$a} == {$b}?{$c}:{${d:$e}}} $f")) == ["a", "b", "c", "d", "e", "f"]


@given(st.text(alphabet="${}()?:=<a1 ~", max_size=40))
def test_any_text_expands_or_is_refused(text: str) -> None:
    try:
        expand(text, {"a": "1$1"}.get)
    except ExpansionError:
        return


@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_dollar_stays(text: str) -> None:
    assert expand(text, {}.get) == text
