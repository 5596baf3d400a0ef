"""What would fail later and is told before the start."""

from pathlib import Path

import pytest

from gatepost.config.check import System, check
from gatepost.config.loading import load

MASTER = """\
smtp inet n - n - - smtpd
smtp unix - - n - - smtp
relay unix - - n - - smtp
local unix - n n - - local
virtual unix - n n - - virtual
"""
FILES = {"/etc/aliases", "/etc/cert.pem"}
SYSTEM = System(
    exists=FILES.__contains__,
    text_of=lambda name: (_ for _ in ()).throw(FileNotFoundError(2, "No such file or directory")),
    uid_of={"root": 0, "toor": 0, "postfix": 100, "mail": 100, "nobody": 65534}.get,
    has_port=lambda name: name in ("smtp", "25"),
    privileged=True,
)


def told(path: Path, main: str, master: str = MASTER) -> list[tuple[str, int, str]]:
    (path / "main.cf").write_text("compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\n" + main)
    (path / "master.cf").write_text(master)
    faults = check(load(path), SYSTEM)
    assert all(fault.remedy for fault in faults)
    return [(Path(fault.file).name, fault.line, fault.text) for fault in faults]


def test_nothing_wrong(tmp_path: Path) -> None:
    assert told(tmp_path, "alias_maps = hash:/etc/aliases\nsmtpd_tls_cert_file = /etc/cert.pem\n") == []


@pytest.mark.parametrize(
    ("main", "text"),
    [
        ("default_transport = nosuch:[host]\n", "default_transport names transport nosuch, which is no service of master.cf"),
        ("content_filter = scan:[::1]:10024\n", "content_filter names transport scan, which is no service of master.cf"),
        ("alias_maps = hash:/etc/missing\n", "open /etc/missing: No such file or directory"),
        ("header_checks = pcre:/etc/checks\n", "open /etc/checks: No such file or directory"),
        ("virtual_alias_maps = hsh:/etc/aliases\n", "unsupported dictionary type: hsh"),
        ("alias_maps = proxy:pgsql:/etc/a.cf\n", 'open "pgsql" configuration "/etc/a.cf": No such file or directory'),
        ("smtpd_tls_key_file = /etc/key.pem\n", "smtpd_tls_key_file: no such file: /etc/key.pem"),
        ("mail_owner = nosuchuser\n", "mail_owner: no such user: nosuchuser"),
        ("mail_owner = toor\n", "parameter mail_owner: user toor has privileged user ID"),
        ("default_privs = root\n", "parameter default_privs: user root has privileged user ID"),
        ("default_privs = postfix\n", "parameters default_privs and mail_owner specify the same user postfix"),
        ("default_privs = mail\n", "parameters default_privs and mail_owner specify the same user postfix"),
    ],
)
def test_one_fault_in_main(tmp_path: Path, main: str, text: str) -> None:
    assert told(tmp_path, main) == [("main.cf", 3, text)]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("x:nowhere inet n - n - - smtpd", "unknown port nowhere in service x:nowhere"),
        ("x unix n - n - - smptd", "unknown daemon smptd"),
        (
            "25 inet n - n - - smtpd -o content_filter=scan:",
            "content_filter names transport scan, which is no service of master.cf",
        ),
    ],
)
def test_one_fault_in_master(tmp_path: Path, entry: str, text: str) -> None:
    assert told(tmp_path, "", f"{MASTER}{entry}\n") == [("master.cf", 6, text)]


def test_service_written_twice(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, "", f"{MASTER}smtp unix - - n - 1 smtp\n")
    assert fault == ("master.cf", 2, "duplicate service smtp/unix: the entry of line 6 is used")


def test_domain_of_two_classes(tmp_path: Path) -> None:
    main = "mydestination = a.test\nvirtual_mailbox_domains = b.test, a.test\n"
    assert told(tmp_path, main) == [("main.cf", 4, "do not list domain a.test in BOTH mydestination and virtual_mailbox_domains")]


def test_no_name_of_a_port_is_too_odd_to_be_looked_up() -> None:
    assert System().has_port("smtp")
    assert not System().has_port("no\udcff")
