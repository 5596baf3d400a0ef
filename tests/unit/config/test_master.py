"""Services of master.cf, as Postfix 3.7 reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.master import ServiceEntry, parse_master

LONG = "9" * 5000
"""A number that Python does not read."""


def only(text: str) -> ServiceEntry:
    read = parse_master(text, "master.cf")
    assert not read.faults
    (entry,) = read.services
    return entry


def test_fields_and_defaults() -> None:
    entry = only("smtp inet n - - - - smtpd\n")
    assert (entry.name, entry.type, entry.key, entry.command) == ("smtp", "inet", "smtp/inet", "smtpd")
    assert (entry.private, entry.unprivileged, entry.chroot) == (False, True, False)
    assert (entry.wakeup, entry.wakeup_if_used, entry.process_limit) == (0, False, None)
    assert (entry.file, entry.line) == ("master.cf", 1)


def test_written_fields() -> None:
    entry = only("qmgr unix - n y 300? 1 qmgr\n")
    assert (entry.private, entry.unprivileged, entry.chroot) == (True, False, True)
    assert (entry.wakeup, entry.wakeup_if_used, entry.process_limit) == (300, True, 1)


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("smtp", ("", "smtp")),
        ("127.0.0.1:10025", ("127.0.0.1", "10025")),
        ("[::1]:25", ("::1", "25")),
        ("::1:smtp", ("::1", "smtp")),
    ],
)
def test_endpoint(name: str, endpoint: tuple[str, str]) -> None:
    assert only(f"{name} inet n - n - - smtpd\n").endpoint == endpoint


def test_overrides_in_both_forms() -> None:
    entry = only(
        "smtp inet n - n - - smtpd -v\n"
        "  -o syslog_name=postfix/in\n"
        "# a comment in between\n"
        "  -o { smtpd_recipient_restrictions = permit_mynetworks, reject }\n"
        "  -vo mydomain=aaa -omyorigin=b\n"
    )
    assert entry.settings == (
        ("syslog_name", "postfix/in"),
        ("smtpd_recipient_restrictions", "permit_mynetworks, reject"),
        ("mydomain", "aaa"),
        ("myorigin", "b"),
    )
    assert entry.overrides["service_name"] == "smtp"
    assert entry.overrides["process_name"] == "smtpd"
    assert entry.verbose == 2
    assert entry.arguments[4] == "smtpd_recipient_restrictions=permit_mynetworks, reject"


def test_arguments_after_the_options() -> None:
    entry = only("scan unix - n n - - pipe -o a=b\n  flags=Rq user=vmail argv=/bin/filter -f ${sender} { two words }\n")
    assert entry.command_arguments == ("flags=Rq", "user=vmail", "argv=/bin/filter", "-f", "${sender}", "two words")
    assert entry.settings == (("a", "b"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("smtp inet n - n - -", "bad field count"),
        ("smtp inetx n - n - - smtpd", 'invalid type field "inetx" in "smtp inetx n - n - - smtpd"'),
        ("smtp inet x - n - - smtpd", 'invalid private field "x" in "smtp inet x - n - - smtpd"'),
        ("smtp inet n x n - - smtpd", 'invalid unprivileged field "x" in "smtp inet n x n - - smtpd"'),
        ("smtp inet n - x - - smtpd", 'invalid chroot field "x" in "smtp inet n - x - - smtpd"'),
        ("smtp inet n - n 60x - smtpd", 'invalid wakeup field "60x" in "smtp inet n - n 60x - smtpd"'),
        (f"smtp inet n - n {LONG} - smtpd", f'invalid wakeup field "{LONG}" in "smtp inet n - n {LONG} - smtpd"'),
        (f"smtp inet n - n - {LONG} smtpd", f'invalid process_limit field "{LONG}" in "smtp inet n - n - {LONG} smtpd"'),
        ("smtp inet n - n - -1 smtpd", 'invalid process_limit field "-1" in "smtp inet n - n - -1 smtpd"'),
    ],
)
def test_bad_entry(text: str, complaint: str) -> None:
    read = parse_master(f"# services\n{text}\nok unix - - n - - smtp\n", "master.cf")
    (fault,) = read.faults
    assert (fault.line, fault.text) == (2, complaint)
    assert fault.remedy
    assert [entry.name for entry in read.services] == ["ok"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("-o { smtpd_banner = x", "missing '}' in \"{ smtpd_banner = x\""),
        ("{c}x", "syntax error after '}' in \"{c}x\""),
        ("-o {z}", "missing '=' after attribute name: \"z\""),
        ("-o { = q}", 'missing attribute name: "= q"'),
    ],
)
def test_doubtful_arguments_warn(arguments: str, complaint: str) -> None:
    read = parse_master(f"smtp inet n - n - - smtpd {arguments}\n", "master.cf")
    assert [fault.text for fault in read.warnings] == [complaint]
    assert len(read.services) == 1


@given(st.text(alphabet="ab-o ={}\n\t", max_size=60))
def test_any_arguments_are_read(text: str) -> None:
    read = parse_master(f"smtp inet n - n - - smtpd {text}", "master.cf")
    for entry in read.services:
        assert set(entry.overrides) >= {"service_name", "process_name"}
        assert entry.verbose >= 0
