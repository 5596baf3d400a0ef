"""What `gatepost check` finds in the parameters of milters, with file and line."""

from pathlib import Path

import pytest
from tests.unit.service.check.test_configuration_check import MASTER, told

from gatepost.config.faults import ConfigurationError

ONE = "{ inet:[::1]:8891, connect_timeout=10s, { default_action = accept }, protocol=4 }"


@pytest.mark.parametrize(
    "main",
    [
        f"smtpd_milters = inet:127.0.0.1:8891, unix:/run/filter, local:private/filter {ONE}\n",
        "non_smtpd_milters = $smtpd_milters\nmilter_protocol = 6 no_header_reply\n",
        "milter_macro_defaults = a=1, {b}=2, { c = 3 4 }\nmilter_default_action = quarantine\n",
    ],
)
def test_what_is_right_is_not_told(tmp_path: Path, main: str) -> None:
    assert told(tmp_path, main) == []


@pytest.mark.parametrize(
    ("main", "text"),
    [
        ("smtpd_milters = 127.0.0.1:8891", 'smtpd_milters: "127.0.0.1:8891" names no milter: write inet:HOST:PORT or unix:PATH'),
        ("smtpd_milters = inet:8891@localhost", 'smtpd_milters: "inet:8891@localhost" names no milter'),
        ("smtpd_milters = inet:h:1, { inet:h:2", 'smtpd_milters: missing "}" in "{ inet:h:2"'),
        ("non_smtpd_milters = {inet:h:2 timeout=3}", 'non_smtpd_milters: unexpected "timeout=3": a milter has connect_timeout='),
        (
            "smtpd_milters = {inet:h:2 default_action=hold}",
            'smtpd_milters: unrecognized default action "hold": use one of tempfail',
        ),
        ("smtpd_milters = {inet:h:2 command_timeout=0}", 'smtpd_milters: bad time "0"'),
        ("smtpd_milters = {inet:h:2 protocol=5}", 'smtpd_milters: unrecognized protocol "5": use one of 2, 3, 4, 6'),
        ("milter_protocol = 7", 'milter_protocol: unrecognized protocol "7"'),
        ("milter_macro_defaults = a", 'milter_macro_defaults: "a" is no name=value'),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path, main: str, text: str) -> None:
    ((file, line, said),) = told(tmp_path, main + "\n")
    assert (file, line) == ("main.cf", 3)
    assert said.startswith(text)


def test_a_bad_action_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"main\.cf, line 3: bad milter_default_action value: hold"):
        told(tmp_path, "milter_default_action = hold\nsmtpd_milters = inet:h:1\n")


def test_options_of_a_service_are_read_too(tmp_path: Path) -> None:
    ((file, line, said),) = told(tmp_path, "", MASTER.replace("smtpd\n", "smtpd\n  -o smtpd_milters=nowhere\n", 1))
    assert (file, line) == ("master.cf", 1)
    assert said.startswith('smtpd_milters: "nowhere" names no milter')
