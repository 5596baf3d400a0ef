"""A configuration directory read whole: values, views, and everything that is wrong told at once."""

import ipaddress
from pathlib import Path

import pytest
from msgspec import Struct

from gatepost.config.computed import Host
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.loading import load, read
from gatepost.config.parameters import PARAMETERS, Support, ValueKind

INTERFACES = tuple(map(ipaddress.ip_interface, ("127.0.0.1/8", "192.0.2.2/24", "::1/128", "2001:db8::2/64")))
HOST = Host(hostname=lambda: "box", interfaces=lambda: INTERFACES)
MASTER = """\
smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o syslog_name=postfix/$service_name
  -o smtpd_timeout=20
scan unix - n n - 7 pipe
  flags=Rq user=vmail argv=/bin/filter
"""


def directory(path: Path, main: str, master: str = MASTER) -> Path:
    (path / "main.cf").write_text(main)
    (path / "master.cf").write_text(master)
    return path


@pytest.fixture
def loaded(tmp_path: Path) -> Configuration:
    main = "compatibility_level = 3.6\nmyhostname = mail.example.test\nown = 5\nsmtpd_recipient_limit = $own\n"
    return load(directory(tmp_path, main), host=HOST)


class SmtpdSettings(Struct, frozen=True):
    smtpd_timeout: int
    smtpd_recipient_limit: int
    smtpd_helo_required: bool
    smtpd_banner: str
    syslog_name: str
    default_rbl_reply: str


def test_view_is_typed_and_expanded(loaded: Configuration) -> None:
    view = loaded.view(SmtpdSettings)
    assert (view.smtpd_timeout, view.smtpd_recipient_limit, view.smtpd_helo_required) == (300, 5, False)
    assert view.smtpd_banner == "mail.example.test ESMTP Postfix"
    assert view.default_rbl_reply.startswith("$rbl_code ")  # for later: expanded when a reply is made


def test_view_of_a_service(loaded: Configuration) -> None:
    entry = loaded.service("submission/inet")
    assert entry
    view = loaded.view(SmtpdSettings, entry.overrides)
    assert (view.smtpd_timeout, view.syslog_name) == (20, "postfix/submission")


def test_stress_is_an_override_like_any_other(loaded: Configuration) -> None:
    assert loaded.view(SmtpdSettings, {"stress": "yes"}).smtpd_timeout == 10


def test_view_of_what_is_no_parameter_is_a_mistake_of_the_program(loaded: Configuration) -> None:
    class Wrong(Struct, frozen=True):
        no_such_parameter: str

    with pytest.raises(TypeError, match="no_such_parameter"):
        loaded.view(Wrong)


def test_value_of_nothing_known(loaded: Configuration) -> None:
    with pytest.raises(KeyError):
        loaded.value("no_such_parameter")
    assert loaded.value("own") == "5"
    assert loaded.is_set("own")
    assert not loaded.is_set("mydomain")


def test_transport_parameters(tmp_path: Path) -> None:
    main = "default_destination_concurrency_limit = 7\nscan_destination_rate_delay = 2m\n"
    loaded = load(directory(tmp_path, main), host=HOST)
    assert loaded.transport("scan", "_destination_concurrency_limit") == 7
    assert loaded.transport("scan", "_destination_rate_delay") == 120
    assert loaded.transport("local", "_destination_concurrency_limit") == 2
    assert loaded.transport("scan", "_destination_concurrency_negative_feedback") == "1"
    assert loaded.transport("nowhere", "_transport_rate_delay") == 0


@pytest.mark.parametrize(
    ("main", "name", "wanted"),
    [
        ("", "myhostname", "box.localdomain"),
        ("mydomain = example.test\n", "myhostname", "box.example.test"),
        ("myhostname = a.b.test\n", "mydomain", "b.test"),
        ("myhostname = alone\n", "mydomain", "localdomain"),
        ("", "mynetworks", "127.0.0.0/8 192.0.2.0/24 [::1]/128 [2001:db8::]/64"),
        ("mynetworks_style = host\n", "mynetworks", "127.0.0.1/32 192.0.2.2/32 [::1]/128 [2001:db8::2]/128"),
        ("compatibility_level = 2\ninet_protocols = ipv4\n", "mynetworks", "127.0.0.1/32 192.0.2.2/32"),
        ("inet_interfaces = loopback-only\n", "mynetworks", "127.0.0.0/8 [::1]/128"),
        ("mynetworks_style = class\ninet_protocols = ipv4\n", "mynetworks", "127.0.0.0/8 192.0.2.0/24"),
        ("compatibility_level = 0\n", "append_dot_mydomain", "yes"),
        ("compatibility_level = 3.6\n", "smtpd_tls_fingerprint_digest", "sha256"),
        ("compatibility_level = 3.5\n", "smtpd_tls_fingerprint_digest", "md5"),
    ],
)
def test_defaults_that_depend(tmp_path: Path, main: str, name: str, wanted: str) -> None:
    assert load(directory(tmp_path, main), host=HOST).value(name) == wanted


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    main = "smtpd_helo_required = perhaps\nnonsense\nsmtpd_timeout = 5y\nmydestination = ${myhostname\nhopcount_limit = x\n"
    master = "smtp inet n - n - - smtpd\n  -o smtpd_timeout=soon\nbad inet\n"
    with pytest.raises(ConfigurationError) as caught:
        load(directory(tmp_path, main, master), host=HOST)
    told = {(Path(fault.file).name, fault.line, fault.text) for fault in caught.value.faults}
    assert told == {
        ("main.cf", 1, "bad boolean configuration: smtpd_helo_required = perhaps"),
        ("main.cf", 2, "missing '=' after attribute name: \"nonsense\""),
        ("main.cf", 3, "bad time value or unit: smtpd_timeout = 5y"),
        ("main.cf", 4, 'truncated macro reference: "${myhostname"'),
        ("main.cf", 5, "bad numerical configuration: hopcount_limit = x"),
        ("master.cf", 1, "bad time value or unit: smtpd_timeout = soon"),
        ("master.cf", 3, "bad field count"),
    }
    assert all(fault.remedy for fault in caught.value.faults)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert [fault.text for fault in caught.value.faults] == [
        f"open {tmp_path}/main.cf: No such file or directory",
        f"open {tmp_path}/master.cf: No such file or directory",
    ]


def test_read_keeps_what_is_wrong_for_tools(tmp_path: Path) -> None:
    configuration = read(directory(tmp_path, "nonsense\nmydomain = x.test\n"))
    assert len(configuration.faults) == 1
    assert configuration.value("mydomain") == "x.test"


def warnings(path: Path, main: str, master: str = MASTER) -> list[str]:
    loaded = load(directory(path, main, master), host=HOST)
    return [f"{Path(fault.file).name}: {fault.text}" for fault in loaded.warnings]


@pytest.mark.parametrize(
    ("main", "master", "wanted"),
    [
        ("no_such = 1\nmail_ower = x\n", "", ["main.cf: unused parameter: mail_ower=x", "main.cf: unused parameter: no_such=1"]),
        ("my_nets = 127.0.0.0/8\nmynetworks = $my_nets\n", "", []),
        ("smtpd_banner = ${nosuch:unset}\n", "", ["main.cf: undefined parameter: nosuch"]),
        ("smtpd_restriction_classes = foo bar\nfoo = reject\n", "", ["main.cf: undefined parameter: bar"]),
        (
            "smtpd_restriction_classes = bar\n",
            "a inet - n n - 0 spawn\n -o bar=reject -o baz=xx\n",
            ["master.cf: unused parameter: baz=xx"],
        ),
        ("bar = reject\n", "a inet - n n - 0 spawn\n -o smtpd_restriction_classes=bar\n", []),
        ("", "s unix - n n - 0 smtpd\n -o bar=yes -o always_bcc=$bar\n", []),
        ("", "s inet n - n - - smtpd\n -o always_bcc=$class_x\n", ["master.cf: undefined parameter: class_x"]),
        ("virtual_maps = xxx\n", "", []),
        ("forward_path = $aaaa\n", "", []),
        ("scan_time_limit = 1\n", "scan unix - n n - - pipe argv=x\n", []),
        ("header_checks = ldap:hh\nhh_domain = a\nhh_bogus = b\n", "", ["main.cf: unused parameter: hh_bogus=b"]),
        (
            "xx = ldap:foo\nfoo_scope = a\n",
            "",
            ["main.cf: unused parameter: foo_scope=a", "main.cf: unused parameter: xx=ldap:foo"],
        ),
        ("alias_maps = pipemap:{proxy:ldap:used, static:x}\nused_scope = sub\n", "", []),
    ],
)
def test_names_unused_and_undefined(tmp_path: Path, main: str, master: str, wanted: list[str]) -> None:
    told = [text for text in warnings(tmp_path, main, master) if "used parameter" in text or "undefined" in text]
    assert told == wanted


def test_what_has_no_effect_is_told_wherever_it_is_set(tmp_path: Path) -> None:
    missing, other = [row.name for row in PARAMETERS.values() if row.support is Support.NOT_YET and row.kind is ValueKind.STRING][
        :2
    ]
    main = f"max_use = 10\nbiff = no\nsmtpd_timeout = 5s\nhelpful_warnings = yes\n{missing} = 2\n"
    told = warnings(tmp_path, main, f"s inet n - n - - smtpd\n -o {other}=2\n")
    assert told == [
        f"main.cf: parameter {missing} is known but not implemented yet",
        f"master.cf: parameter {other} is known but not implemented yet",
        "main.cf: parameter max_use has no effect here",
    ]  # biff = no: who wants nothing of it misses nothing


def test_tables_that_nobody_can_open_are_told_wherever_they_are_named(tmp_path: Path) -> None:
    main = (
        "virtual_alias_maps = proxy:nisplus:users, hash:/x\nnobody_uses_this = nisplus:x\n"
        "smtpd_restriction_classes = ours\nours = check_client_access pipemap:{nisplus:/a, static:x}\nmynetworks = nisplus:y\n"
    )
    told = warnings(tmp_path, main, "s inet n - n - - smtpd\n -o relay_domains=nisplus:/x\n")
    missing = [
        ("main.cf", "virtual_alias_maps", "nisplus"), ("main.cf", "ours", "nisplus"), ("main.cf", "mynetworks", "nisplus"),
        ("master.cf", "relay_domains", "nisplus"),
    ]  # fmt: skip
    wanted = [f"{file}: {name}: tables of type {kind} are known but not implemented yet" for file, name, kind in missing]
    assert [one for one in told if "tables of type" in one] == wanted
