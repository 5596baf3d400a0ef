"""Words that a parameter does not know are refused, as Postfix's daemons refuse them."""

from pathlib import Path

import pytest

from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import load
from gatepost.config.parameters import PARAMETERS, Kind
from gatepost.config.values import split
from gatepost.config.words import WORDS, unknown_words


def refused(path: Path, main: str, master: str = "") -> list[tuple[int, str]]:
    (path / "main.cf").write_text(main)
    (path / "master.cf").write_text(master)
    try:
        load(path)
    except ConfigurationError as error:
        assert all(fault.remedy.startswith("write any of: ") for fault in error.faults)
        return [(fault.line, fault.text) for fault in error.faults]
    return []


@pytest.mark.parametrize("name", WORDS)
def test_a_word_that_means_nothing(tmp_path: Path, name: str) -> None:
    known = sorted(WORDS[name])
    assert refused(tmp_path, f"{name} = {', '.join(known)}\n") == []
    assert refused(tmp_path, f"{name} =\n") == []
    for wrong in ("foo", known[0].upper(), f"{known[0]}:"):
        value = f"{known[-1]} {wrong}"
        if wrong not in known:
            assert refused(tmp_path, f"{name} = {value}\n") == [(1, f'unknown {name} value "{wrong}" in "{value}"')]
    line = f"smtp inet n - n - - smtpd -o {name}=foo\n"
    assert refused(tmp_path, "", line) == [(1, f'unknown {name} value "foo" in "foo"')]


def test_defaults_are_known() -> None:
    for name in WORDS:
        assert PARAMETERS[name].kind is Kind.STRING
        assert list(unknown_words(name, PARAMETERS[name].default)) == []
        assert split(PARAMETERS[name].default) or name in ("internal_mail_filter_classes", "receive_override_options")
