"""Command lines of master.cf: what Debian's daemons refuse to start with, the configuration refuses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.command_line import options, options_end, refusals, settings
from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import load

BRACES = "write -o { name = value } where there is white space in a value"


def refused(directory: Path, arguments: str, daemon: str = "smtpd") -> list[str]:
    (directory / "main.cf").write_text("compatibility_level = 3.6\n")
    (directory / "master.cf").write_text(f"smtp inet n - n - - {daemon} {arguments}\n")
    try:
        load(directory)
    except ConfigurationError as error:
        assert all(fault.line == 1 and fault.remedy for fault in error.faults)
        return [fault.text.removeprefix("service smtp/inet: ") for fault in error.faults]
    return []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("-o smtpd_recipient_restrictions=permit_sasl_authenticated, reject", "unexpected command-line argument: reject"),
        ("-o smtpd_helo_required = yes", "missing '=' after attribute name: \"smtpd_helo_required\""),
        ("-o smtpd_helo_required", "missing '=' after attribute name: \"smtpd_helo_required\""),
        ("-o =yes", 'missing attribute name: "=yes"'),
        ("-o { = yes }", 'missing attribute name: "= yes"'),
        ("-o", "option requires an argument -- 'o'"),
        ("-vo", "option requires an argument -- 'o'"),
        ("-i", "option requires an argument -- 'i'"),
        ("-x", "invalid option -- 'x'"),
        ("-vx", "invalid option -- 'x'"),
        ("-- foo", "unexpected command-line argument: foo"),
        ("-- -o smtpd_helo_required=yes", "unexpected command-line argument: -o"),
        ("foo", "unexpected command-line argument: foo"),
        ("- -o smtpd_helo_required=yes", "unexpected command-line argument: -"),
        ("-o { smtpd_helo_required = yes } junk", "unexpected command-line argument: junk"),
        ("-o {smtpd_helo_required=yes}junk", "syntax error after '}' in \"{smtpd_helo_required=yes}junk\""),
        ("-o {smtpd_helo_required=yes", "missing '}' in \"{smtpd_helo_required=yes\""),
        ("-o smtpd_timeout=3x", "bad time value or unit: smtpd_timeout = 3x"),
    ],
)
def test_what_a_daemon_refuses(tmp_path: Path, arguments: str, why: str) -> None:
    assert refused(tmp_path, arguments)[:1] == [why]


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "-v -v",
        "-d",
        "-i 5",
        "-l",
        "--",
        "-osmtpd_helo_required=yes",
        "-o smtpd_helo_required=yes -o smtpd_helo_required=no",
        "-o { smtpd_recipient_restrictions = permit_mynetworks, reject }",
        "-o smtpd_recipient_restrictions=permit_mynetworks,reject",
        "-o smtpd_banner=",
    ],
)
def test_what_it_takes(tmp_path: Path, arguments: str) -> None:
    assert refused(tmp_path, arguments) == []


def test_what_pipe_is_given_is_its_own(tmp_path: Path) -> None:
    assert refused(tmp_path, "-o a=b flags=Rq user=nobody argv=/bin/cat -x - { two words }", "pipe") == []
    assert refused(tmp_path, "user=nobody argv=/bin/cat", "local") == ["unexpected command-line argument: user=nobody"]


@pytest.mark.parametrize("client", ["smtp", "lmtp"])
def test_what_a_client_is_given(tmp_path: Path, client: str) -> None:
    assert refused(tmp_path, "-o smtp_tls_loglevel=1 flags=DORX", client) == []
    assert refused(tmp_path, "flags=O user=nobody", client) == ["unknown attribute name: user=nobody"]


def test_the_remedy_for_a_list_with_spaces() -> None:
    assert list(refusals("smtpd", ("-o", "a=b,", "reject"))) == [("unexpected command-line argument: reject", BRACES)]


@given(st.lists(st.text(alphabet="-ovi=ab{} ", min_size=1, max_size=6), max_size=6).map(tuple))
def test_every_word_is_read_or_refused(arguments: tuple[str, ...]) -> None:
    end = options_end(arguments)
    assert 0 <= end <= len(arguments)
    if end < len(arguments):
        assert list(refusals("smtpd", arguments))
    if not list(refusals("smtpd", arguments)):
        assert len(list(settings(arguments))) == sum(option == "o" for option, _ in options(arguments))
