"""Words that a parameter does not know are refused, as Postfix's daemons refuse them."""

import enum
from pathlib import Path

import pytest
from msgspec import Struct

from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import load, read
from gatepost.config.parameters import PARAMETERS, ValueKind
from gatepost.config.values import split
from gatepost.config.words import unknown_words

WORDS = {row.name: row.words for row in PARAMETERS.values() if row.kind is ValueKind.WORDS}
CHOICES = {row.name: row.words for row in PARAMETERS.values() if row.kind is ValueKind.CHOICE}


def refused(path: Path, main: str, master: str = "") -> list[tuple[int, str]]:
    (path / "main.cf").write_text(main)
    (path / "master.cf").write_text(master)
    try:
        load(path)
    except ConfigurationError as error:
        assert all(fault.remedy.startswith(("write any of: ", "write one of: ")) for fault in error.faults)
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


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_is_none(tmp_path: Path, name: str) -> None:
    exact = name == "mynetworks_style"
    for word in (*CHOICES[name], *(() if exact else [CHOICES[name][0].upper()])):
        assert refused(tmp_path, f"{name} = {word}\n") == []
    for wrong in ("foo", *([CHOICES[name][0].upper()] if exact else ()), " ".join(CHOICES[name])):
        [(line, text)] = refused(tmp_path, f"# a comment\n{name} = {wrong}\n")
        assert line == 2
        assert wrong.strip() in text


def test_choices_are_refused_in_postfix_words(tmp_path: Path) -> None:
    """As `postconf -x mynetworks` and `postconf -b` said it; smtp_address_preference as the words stand in smtp(8)'s program."""
    assert refused(tmp_path, "mynetworks_style = foo\n") == [(1, 'unknown mynetworks mask style value "foo" in "foo"')]
    assert refused(tmp_path, "header_from_format = foo\n") == [(1, 'invalid setting: "header_from_format = foo"')]
    assert refused(tmp_path, "smtp_address_preference = foo\n") == [(1, "bad smtp_address_preference value: foo")]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("smtpd_tls_security_level = bogus", 'Invalid TLS level "bogus"'),
        ("smtp_tls_security_level = bogus", 'Invalid TLS level "bogus"'),
        ("lmtp_tls_security_level = bogus", 'Invalid TLS level "bogus"'),
        ("unknown_helo_hostname_tempfail_action = bogus", "bad configuration: unknown_helo_hostname_tempfail_action = bogus"),
        ("smtpd_forbid_bare_newline = maybe", "bad parameter value: 'smtpd_forbid_bare_newline = maybe'"),
        ("smtp_host_lookup = bogus", 'unknown smtp_host_lookup value "bogus" in "bogus"'),
    ],
)
def test_what_daemons_of_postfix_end_with(tmp_path: Path, setting: str, told: str) -> None:
    """`fatal:` lines of smtpd and smtp, Debian's 3.7."""
    assert refused(tmp_path, f"{setting}\n") == [(1, told)]


@pytest.mark.parametrize("name", ["smtpd_tls_security_level", "lmtp_tls_security_level"])
def test_no_level_is_none_of_them(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, f"{name} =\n") == []


def test_only_rows_of_fixed_words_have_words() -> None:
    assert [row.name for row in PARAMETERS.values() if bool(row.words) != (row.name in WORDS or row.name in CHOICES)] == []


class Format(enum.Enum):
    """A choice as a view may have it."""

    POSTFIX = "postfix"
    JSON = "json"


class Views(Struct, frozen=True):
    """A settings struct of typed fields."""

    maillog_format: Format
    notify_classes: tuple[str, ...]
    relay_domains: tuple[str, ...]
    mynetworks: tuple[str, ...]
    canonical_maps: tuple[str, ...]
    message_size_limit: int


class OtherFormats(Struct, frozen=True):
    """A struct that would not know all words."""

    maillog_format: enum.Enum("Short", {"JSON": "json"})  # type: ignore[valid-type]


def test_views_are_typed(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "maillog_format = JSON\nnotify_classes = policy, bounce\nrelay_domains = a.test b.test\nmynetworks = 192.0.2.0/24 [::1]\n"
        "canonical_maps = inline:{ {a=b}, {c=d} } static:x\n"
    )
    (tmp_path / "master.cf").write_text("")
    configuration = load(tmp_path)
    assert configuration.view(Views) == Views(
        Format.JSON, ("policy", "bounce"), ("a.test", "b.test"), ("192.0.2.0/24", "[::1]"), ("inline:{ {a=b}, {c=d} }", "static:x"),
        10240000,
    )  # fmt: skip
    with pytest.raises(TypeError):
        configuration.view(OtherFormats)


def test_a_view_of_a_choice_that_is_none(tmp_path: Path) -> None:
    """Where nobody has checked before."""
    (tmp_path / "main.cf").write_text("maillog_format = xml\n")
    (tmp_path / "master.cf").write_text("")
    with pytest.raises(ConfigurationError, match=r"main\.cf, line 1: bad maillog_format value: xml"):
        read(tmp_path).view(Views)


MAY_BE_EMPTY = (
    "filter_supervise",
    "greylist_identity",
    "internal_mail_filter_classes",
    "lmtp_dns_resolver_options",
    "receive_override_options",
    "smtp_dns_resolver_options",
)


def test_defaults_are_known() -> None:
    for name in WORDS:
        default = PARAMETERS[name].default
        assert "$" in default or list(unknown_words(PARAMETERS[name], default)) == []
        assert split(default) or name in MAY_BE_EMPTY
