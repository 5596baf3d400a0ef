"""Cores of gatepost.config: main.cf and master.cf, whose writer must be told what is wrong and never meet a trace."""

from gatepost.config import values
from gatepost.config.command_line import options_end, refusals
from gatepost.config.edit import set_parameters, written
from gatepost.config.expand import ExpansionError, expand, references
from gatepost.config.master import parse_master
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
