"""Cores of gatepost.config: main.cf and master.cf, whose writer must be told what is wrong and never meet a trace."""

from gatepost.config import command_line, edit, values
from gatepost.config.command_line import options_end, refusals
from gatepost.config.edit import set_parameters, written
from gatepost.config.expand import ExpansionError, expand, fill, references
from gatepost.config.master import FaultyEntry, parse_master
from gatepost.config.ports import known_ports, malformed
from gatepost.config.syntax import parse_main
from tests.fuzz.pieces import fields, octets, text, without_blanks


def main_cf(data: bytes) -> None:
    """Every line is a setting, a fault or a warning; a parameter that is set reads back."""
    found = parse_main(text(data), "main.cf")
    for name, setting in found.settings.items():
        assert name == without_blanks(name) and name
        assert setting.value == setting.value.strip(" \t\r\n\v\f")
        octets(setting.value)
    after = parse_main(set_parameters(text(data), {"here": "yes"}).text, "main.cf")
    assert after.settings["here"].value == "yes"
    assert {n: s.value for n, s in after.settings.items() if n != "here"} == {
        n: s.value for n, s in found.settings.items() if n != "here"
    }


def master_cf(data: bytes) -> None:
    """Every entry can be shown, and reads back as it was."""
    found = parse_master(text(data), "master.cf")
    for entry in found.services:
        assert len(entry.fields) == 8
        assert 0 <= options_end(entry.arguments) <= len(entry.arguments)
        assert entry.overrides["service_name"] == entry.name
        assert (entry.wakeup, entry.verbose) >= (0, 0)
        list(refusals(entry.command, entry.arguments))
        again = parse_master(written(entry), "master.cf").services
        assert [one.fields for one in again] == [entry.fields]


def expansions(data: bytes) -> None:
    """A value expands, or is told to be wrong."""
    one, two, value = map(text, fields(data, 3))
    names = {"one": one, "two": two}
    try:
        list(references(value))
        found = expand(value, names.get)
    except ExpansionError:
        return
    octets(found)


_PARTING = ", \t\r\n\v\f"


def typed_values(data: bytes) -> None:
    """Numbers, times and lists."""
    written_value = text(data)
    for read in (values.boolean, values.integer, values.seconds):
        try:
            assert abs(read(written_value)) < 2**63
        except ValueError as error:
            assert str(error).startswith("bad ")
    assert without_blanks("".join(values.split(written_value)), _PARTING) == without_blanks(written_value, _PARTING)
    known_ports(written_value)
    malformed(written_value)


def command_words(data: bytes) -> None:
    """Words after a daemon's name: every one is read as an option, a value or an argument, or refused."""
    words = tuple(word for word in map(text, data.split(b"\0")) if word)
    end = options_end(words)
    assert 0 <= end <= len(words)
    for letter, value in command_line.options(words):
        assert len(letter) == 1
        assert value is None or any(value in word for word in words)
    refused = list(refusals("smtpd", words))
    for told in refused:
        assert all(map(octets, told))
    if not refused:
        assert end == len(words)
        set_there = [value for letter, value in command_line.options(words) if letter == "o"]
        assert len(list(command_line.settings(words))) == len(set_there)


def main_edits(data: bytes) -> None:
    """What postconf(1) takes out of main.cf or turns into comments is gone; all else is as it was."""
    name, rest = map(text, fields(data, 2))
    name = without_blanks(name).replace("=", "") or "a"
    before = _settings(rest)
    others = {other: value for other, value in before.items() if other != name}
    for change in (edit.remove_parameters, edit.comment_parameters):
        changed = change(rest, {name: ""})
        assert _settings(changed.text) == others
        assert change(changed.text, {name: ""}).text == changed.text


def _settings(written_text: str) -> dict[str, str]:
    return {name: setting.value for name, setting in parse_main(written_text, "main.cf").settings.items()}


def master_edits(data: bytes) -> None:
    """A service to which postconf(1) gives a parameter or a field has it, and is otherwise as it was."""
    name, value, rest = map(text, fields(data, 3))
    name, value = without_blanks(name).replace("=", "") or "a", value.replace("\n", "")
    for entry in parse_master(rest, "master.cf").services:
        if any(refusals(entry.command, entry.arguments)):
            continue
        for wanted in (value, None):
            changed = edit.with_parameter(entry, name, wanted)
            assert changed.command_arguments == entry.command_arguments
            found = dict(changed.settings)
            assert found.get(name) == (None if wanted is None else wanted.strip(_C_SPACE))
            assert {n: v for n, v in found.items() if n != name} == {n: v for n, v in entry.settings if n != name}
            octets(written(changed))
        for field in ("chroot", "wakeup", "process_limit", "command"):
            try:
                octets(written(edit.with_field(entry, field, value)))
            except FaultyEntry as fault:
                octets(str(fault))


_C_SPACE = " \t\r\n\v\f"


def templates(data: bytes) -> None:
    """A template that strangers' texts are put into: what they write is never looked into, and comes in as often as it is named."""
    template, address = map(text, fields(data, 2))
    try:
        found = fill(template, {"one": address, "two": "x"}.get)
        plain = fill(template, {"one": "\ue000" * bool(address), "two": "x"}.get)
    except ExpansionError:
        return
    if "{" not in template and "(" not in template:
        assert found == plain.replace("\ue000", address) or "\ue000" in template
    assert len(octets(found)) <= len(template) * (1 + len(address))
