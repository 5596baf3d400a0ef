"""What is told of restrictions and TLS levels before the start: where it stands, and what to do."""

from pathlib import Path

import pytest

from gatepost.config.faults import Fault
from gatepost.config.loading import load
from gatepost.lookup import pcre2
from gatepost.service.check.check import check

MASTER = "smtp inet n - n - - smtpd\n25 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
LEVEL = 'invalid smtp_tls_dane_insecure_mx_policy: "secure"'


def faults(path: Path, main: str, master: str = MASTER) -> list[Fault]:
    places = f"queue_directory = {path}/spool\ndata_directory = {path}/data\n"
    (path / "main.cf").write_text(f"compatibility_level = 3.6\nmail_owner = nobody\n{main}{places}")
    (path / "master.cf").write_text(master)
    of_the_machine = ("duplicate", "mail_owner", "parameters default_privs")
    return [fault for fault in check(load(path)) if not fault.text.startswith(of_the_machine)]


def told(path: Path, main: str, master: str = MASTER) -> list[tuple[str, int, str]]:
    return [(Path(fault.file).name, fault.line, fault.text) for fault in faults(path, main, master)]


@pytest.mark.parametrize(
    ("main", "text", "remedy"),
    [
        (
            "smtpd_client_restrictions = permit_mynetwork, reject_unknown_client_hostname\n",
            'unknown smtpd restriction: "permit_mynetwork"',
            "perhaps you mean permit_mynetworks",
        ),
        (
            "smtpd_sender_restrictions = wobble\n",
            'unknown smtpd restriction: "wobble"',
            "correct its name, or define it in smtpd_restriction_classes",
        ),
        (
            "smtpd_data_restrictions = hash:/etc/access\n",
            'specify a check_..._access restriction before "hash:/etc/access"',
            "only lists of clients, names, senders and recipients know what to look up in a table",
        ),
        (
            "smtpd_recipient_restrictions = check_policy_service greylist\n",
            'restriction check_policy_service: bad argument "greylist": need maptype:mapname',
            "write what must follow its name",
        ),
        (
            "smtpd_client_restrictions = check_ccert_access { static:ok { search_order = issuer } }\n",
            'restriction check_ccert_access: bad argument "{ static:ok { search_order = issuer } }": need maptype:mapname, '
            "in braces also with search_order = cert_fingerprint, pubkey_fingerprint",
            "write what must follow its name",
        ),
        ("smtpd_helo_restrictions = permit, reject\n", "restriction `reject' after `permit' is ignored", "remove one of them"),
    ],
)
def test_a_list_in_main(tmp_path: Path, main: str, text: str, remedy: str) -> None:
    told_once = [fault for fault in faults(tmp_path, main) if "No such file" not in fault.text]
    assert [(Path(fault.file).name, fault.line, fault.text, fault.remedy) for fault in told_once] == [("main.cf", 3, text, remedy)]


def test_a_list_at_a_service(tmp_path: Path) -> None:
    master = MASTER + "26 inet n - n - - smtpd\n  -o smtpd_client_restrictions=rejct\n"
    assert told(tmp_path, "", master) == [("master.cf", 4, 'unknown smtpd restriction: "rejct"')]


def test_a_word_in_a_class_stands_where_the_class_is_defined(tmp_path: Path) -> None:
    main = "smtpd_restriction_classes = ours\nsmtpd_client_restrictions = ours\nours = rejct, permit\n"
    assert told(tmp_path, main) == [("main.cf", 5, 'unknown smtpd restriction: "rejct"')]


@pytest.mark.parametrize("lists", ["permit", "warn_if_reject reject", "permit_mynetworks, reject_non_fqdn_recipient", ""])
def test_relaying_for_everybody(tmp_path: Path, lists: str) -> None:
    where = [("main.cf", 3, f"service {name} would relay for everybody") for name in ("smtp", "25")]
    assert told(tmp_path, f"smtpd_relay_restrictions = {lists}\n") == where


def test_relaying_for_everybody_at_a_service(tmp_path: Path) -> None:
    master = MASTER + "26 inet n - n - - smtpd -o smtpd_relay_restrictions=permit\n"
    (fault,) = faults(tmp_path, "", master)
    assert (Path(fault.file).name, fault.line, fault.text) == ("master.cf", 4, "service 26 would relay for everybody")
    assert fault.remedy.startswith("put one of these into smtpd_relay_restrictions, not after warn_if_reject: check_relay_domains")


def test_a_guard_may_stand_in_a_class(tmp_path: Path) -> None:
    main = (
        "smtpd_restriction_classes = ours\nours = permit_mynetworks, reject_unauth_destination\nsmtpd_relay_restrictions = ours\n"
    )
    assert told(tmp_path, main) == []


@pytest.mark.parametrize(
    ("main", "master", "place"),
    [
        ("smtp_tls_dane_insecure_mx_policy = secure\n", "", [("main.cf", 3, LEVEL)]),
        ("", "tls unix - - n - - smtp -o smtp_tls_dane_insecure_mx_policy=secure\n", [("master.cf", 4, LEVEL)]),
        ("smtp_tls_security_level = dane\nlmtp_tls_security_level = dane-only\n", "", []),
        ("smtp_tls_security_level = encrypt\n", "tls unix - - n - - smtp -o smtp_tls_security_level=secure\n", []),
    ],
)
def test_tls_levels(tmp_path: Path, main: str, master: str, place: list[tuple[str, int, str]]) -> None:
    assert told(tmp_path, main, MASTER + master) == place
    for fault in faults(tmp_path, main, MASTER + master):
        assert fault.remedy == "mail is not sent under DANE; one of: may, encrypt, dane"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("mynetworks", "[fe80::]/10 127.1/8", 'bad network value in "127.1/8"'),
        ("mynetworks", "[fe80::1]/10", 'non-null host address bits in "fe80::1/10", perhaps you should use "fe80::/10" instead'),
        ("smtpd_authorized_xclient_hosts", "192.168.0.0/99", 'bad mask length in "192.168.0.0/99"'),
        ("mynetworks", '"127.0.0.1"', '"127.0.0.1" names no host'),
        ("mynetworks", "192.0.2.*", "192.0.2.* names no host and no network"),
        ("mynetworks", "2001:db8::/32", "unsupported dictionary type: 2001 (in 2001:db8::/32)"),
        ("mynetworks", "! 192.0.2.1", "no pattern after '!'"),
        ("permit_mx_backup_networks", "/no/such/file", "open file /no/such/file: No such file or directory"),
        ("relay_domains", "a.example # ours", "comment at end of line is not supported"),
        ("mydestination", "hsh:/etc/x", "unsupported dictionary type: hsh (in hsh:/etc/x)"),
    ],
)  # fmt: skip
def test_lists(tmp_path: Path, name: str, value: str, text: str) -> None:
    assert told(tmp_path, f"{name} = {value}\n") == [("main.cf", 3, f"{name}: {text}")]
    assert told(tmp_path, "", MASTER + f"26 inet n - n - - smtpd -o {{ {name} = {value} }}\n") == [
        ("master.cf", 4, f"{name}: {text}")
    ]


def test_lists_without_a_mistake(tmp_path: Path) -> None:
    assert told(tmp_path, "mynetworks = 127.0.0.0/8 [::1]/128 [2001:db8::/64] .example.org !10.0.0.1 static:all\n") == []


def test_a_rule_that_will_be_skipped(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("/ok/ OK\n/a(b/ REJECT\n")
    networks = tmp_path / "networks"
    networks.write_text("10.0.0.1/8 OK\n")
    main = (
        f"header_checks = pcre:{rules}, unionmap:{{regexp:{rules}, static:x}}\n"
        f"smtpd_client_restrictions = check_client_access {{ cidr:{networks}, DEFER }}, check_helo_access pcre:{rules}\n"
    )
    fitting = "10.0.0.0/8"
    assert told(tmp_path, main) == [
        ("main.cf", 3, f"pcre map {rules}, line 2: error in regex at offset 3: missing closing parenthesis"),
        ("main.cf", 3, f"regexp map {rules}, line 2: Unmatched ( or \\("),
        (
            "main.cf",
            4,
            f'cidr map {networks}, line 1: non-null host address bits in "10.0.0.1/8", perhaps you should use "{fitting}" instead: '
            "skipping this rule",
        ),
    ]


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcre2, "LIBRARY", "libpcre2-none.so.0")
    pcre2.library.cache_clear()
    try:
        (found,) = faults(tmp_path, "header_checks = pcre:{{/a/ WARN}}\n")
    finally:
        pcre2.library.cache_clear()
    assert found.text == "libpcre2-none.so.0 cannot be loaded: install PCRE2 (Debian: libpcre2-8-0)"
    assert found.remedy == "until then, mail that needs the table waits"
