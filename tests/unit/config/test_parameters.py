"""The parameter table is complete, consistent, and quick to load."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.config import computed, values
from gatepost.config.parameters import (
    COMPUTED,
    LEGACY,
    PARAMETERS,
    POSTFIX_DEFAULTS,
    SERVICES,
    TRANSPORT_SUFFIXES,
    Parameter,
    Support,
    ValueKind,
    lmtp,
    smtp,
)
from gatepost.config.transports import transport_parameter

EVERY_ROW = [*(row for rows in SERVICES.values() for row in rows), *LEGACY.values(), *TRANSPORT_SUFFIXES.values()]
SCRIPT = Path(__file__).parents[3] / "scripts" / "parameters_page.py"
NUMBERS = {ValueKind.INTEGER, ValueKind.SIZE, ValueKind.TIME}


def reading(row: Parameter, text: str) -> object:
    """The text read as a value of the row's kind."""
    match row.kind:
        case ValueKind.BOOLEAN:
            return values.boolean(text)
        case ValueKind.INTEGER:
            return values.integer(text)
        case ValueKind.SIZE:
            return values.integer(text, 64)
        case ValueKind.TIME:
            return values.seconds(text, row.unit)
        case _:
            return text


def offenders(holds: Callable[[Parameter], bool]) -> list[str]:
    """The names of the rows for which the condition does not hold."""
    return [row.name for row in EVERY_ROW if not holds(row)]


def within_bounds(row: Parameter, value: object) -> bool:
    """Whether a number lies between the row's bounds; anything else has none."""
    if not isinstance(value, int):
        return True
    return (row.minimum is None or row.minimum <= value) and (row.maximum is None or value <= row.maximum)


def test_names_are_names() -> None:
    assert offenders(lambda row: re.fullmatch(r"[A-Za-z0-9_]+", row.name) is not None) == []


def test_a_row_explains_itself_on_one_line() -> None:
    assert offenders(lambda row: re.fullmatch(r"[A-Z].*\.", row.doc) is not None) == []


def test_what_has_no_effect_says_why() -> None:
    assert offenders(lambda row: (row.support is Support.NO_MEANING) == row.why.endswith(".")) == []


def test_a_default_is_a_value_of_its_kind_within_its_bounds() -> None:
    fixed = [row for row in EVERY_ROW if "$" not in row.default and row.name not in LEGACY]
    assert [row.name for row in fixed if not within_bounds(row, reading(row, row.default))] == []


def test_units_belong_to_times_and_bounds_to_numbers() -> None:
    assert offenders(lambda row: row.unit in values.UNITS) == []
    assert offenders(lambda row: row.kind is ValueKind.TIME or row.unit == "s") == []
    assert offenders(lambda row: row.kind in NUMBERS or (row.minimum, row.maximum) == (None, None)) == []


def test_names_in_a_default_are_known() -> None:
    known = PARAMETERS.keys() | LEGACY.keys()
    # What stands in a raw value may be known only when it is used.
    assert offenders(lambda row: row.kind is ValueKind.RAW or known.issuperset(re.findall(r"\$\{?(\w+)", row.default))) == []


def test_no_name_is_declared_twice() -> None:
    names = [row.name for row in EVERY_ROW]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("service", SERVICES)
def test_rows_are_sorted_within_their_service(service: str) -> None:
    names = [row.name for row in SERVICES[service]]
    assert names == sorted(names)


def test_every_parameter_that_postfix_prints_is_there() -> None:
    """`postconf -d | wc -l` of Postfix 3.7.11; the names and defaults were compared with it one by one."""
    assert sum(row.since == "" for row in PARAMETERS.values()) == 831


def test_computed_defaults_are_left_empty() -> None:
    assert all(PARAMETERS[name].default == "" for name in COMPUTED)


def test_a_different_default_is_really_different() -> None:
    assert all(PARAMETERS[name].default != theirs for name, theirs in POSTFIX_DEFAULTS.items())


def test_dangerous_line_ends_are_tamed_by_default() -> None:
    assert PARAMETERS["smtpd_forbid_bare_newline"].default == "normalize"
    assert PARAMETERS["cleanup_replace_stray_cr_lf"].default == "yes"


@pytest.mark.parametrize(
    ("name", "kind", "default", "unit"),
    [
        ("smtpd_timeout", ValueKind.TIME, "${stress?{10}:{300}}s", "s"),
        ("maximal_queue_lifetime", ValueKind.TIME, "5d", "d"),
        ("delay_warning_time", ValueKind.TIME, "0h", "h"),
        ("smtpd_hard_error_limit", ValueKind.INTEGER, "${stress?{1}:{20}}", "s"),
        ("smtputf8_enable", ValueKind.BOOLEAN, "${{$compatibility_level} <level {1} ? {no} : {yes}}", "s"),
        ("lmtp_tcp_port", ValueKind.STRING, "24", "s"),
        ("forward_path", ValueKind.RAW, "$home/.forward${recipient_delimiter}${extension}, $home/.forward", "s"),
        ("mydestination", ValueKind.LIST, "$myhostname, localhost.$mydomain, localhost", "s"),
    ],
)
def test_rows_as_postfix_has_them(name: str, kind: ValueKind, default: str, unit: str) -> None:
    row = PARAMETERS[name]
    assert (row.kind, row.default, row.unit) == (kind, default, unit)


@pytest.mark.parametrize("suffix", TRANSPORT_SUFFIXES)
def test_transports_have_what_the_table_says(suffix: str) -> None:
    row = transport_parameter("relay", suffix)
    assert (row.name, row.kind, row.default) == (f"relay{suffix}", *TRANSPORT_SUFFIXES[suffix][1:3])


def test_what_is_computed_is_known_to_be() -> None:
    assert COMPUTED == computed.COMPUTED.keys()


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    """`make docs` writes it."""
    script = runpy.run_path(str(SCRIPT))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


def test_the_lmtp_client_has_what_the_smtp_client_has() -> None:
    """But for what differs on purpose; each exception is of a row that is there."""
    ours = {lmtp.lmtp_name(row.name) for row in smtp.ROWS if row.name.startswith("smtp_") and row.name not in lmtp.SMTP_ONLY}
    rows = {row.name: row for row in lmtp.ROWS}
    assert rows.keys() - ours == {"lmtp_assume_final"}
    assert rows.keys() >= lmtp._OTHERWISE.keys()
    rows.pop("lmtp_tls_loglevel_maps")  # whose default is the SMTP client's, in Postfix too
    assert all("smtp_" not in text for row in rows.values() for text in (row.name, row.default, row.doc, row.why))
    assert (rows["lmtp_tcp_port"].default, rows["lmtp_sasl_tls_security_options"].default) == ("24", "$lmtp_sasl_security_options")
