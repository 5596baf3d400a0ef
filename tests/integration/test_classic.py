"""A classic Postfix configuration, unchanged but for what differs from machine to machine."""

import re
import shutil
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.dovecot import Dovecot
from tests.integration.system import System
from tests.support import certificate as certificates
from tests.support.free_ports import free_port

Make = Callable[..., System]

_FILES = Path(__file__).parent / "classic"
_PLACES = (
    "queue_directory",
    "data_directory",
    "maillog_file",
    "maillog_file_prefixes",
    "mail_owner",
    "default_privs",
    "setgid_group",
    "queue_minfree",
    "inet_interfaces",
)
_LATER = """\
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
  check_helo_access static:DUNNO, check_policy_service inet:127.0.0.1:{greylist}
smtpd_sasl_auth_enable = yes
"""


def _classic(system: Make, dovecot: Dovecot, more: str = "") -> System:
    gatepost = system()
    places = {"{lmtp}": str(dovecot.socket), "{greylist}": str(free_port())}
    own = "".join(f"{name} = {gatepost.fill(gatepost.main[name])}\n" for name in _PLACES)
    main = (_FILES / "main.cf").read_text() + own + more
    for place, text in places.items():
        main = main.replace(place, text)
    (gatepost.conf / "main.cf").write_text(gatepost.fill(main))
    master = re.sub(r"^smtps(\s+inet)", r"{third}\1", (_FILES / "master.cf").read_text(), flags=re.M)
    (gatepost.conf / "master.cf").write_text(gatepost.fill(master))
    certificates.make(gatepost.folder / "tls", "mail.example.org")
    (gatepost.folder / "mailname").write_text("example.org\n")
    (gatepost.folder / "aliases").write_text("postmaster: anna\nboth: anna, berta\n")
    assert gatepost.command("newaliases").returncode == 0
    return gatepost


def test_local_mail_reaches_the_mailbox_store(system: Make, dovecot: Dovecot) -> None:
    """Aliases, extensions and the local domain, all by mailbox_transport into Dovecot."""
    gatepost = _classic(system, dovecot).start()
    gatepost.send("Subject: classic\r\n\r\nx\r\n", to="anna+list@example.org")
    gatepost.send("Subject: to both\r\n\r\nx\r\n", to="both@mail.example.org")
    dovecot.arrival("anna", b"Subject: classic")
    dovecot.arrival("anna", b"Subject: to both")
    dovecot.arrival("berta", b"Subject: to both")


def test_what_is_not_there_defers(system: Make, dovecot: Dovecot) -> None:
    """A content filter that does not answer defers the mail; it is neither lost nor let through unseen."""
    gatepost = _classic(system, dovecot, f"content_filter = scan:[127.0.0.1]:{free_port()}\n").start()
    gatepost.send("Subject: unfiltered\r\n\r\nx\r\n", to="anna@example.org")
    gatepost.logged("to=<anna@example.org>", "status=deferred", "Connection refused")
    assert not any(b"unfiltered" in message for message in dovecot.delivered("anna"))


def test_later_features_are_named_and_let_nobody_relay(system: Make, dovecot: Dovecot) -> None:
    """Login and a greylist server that are not there: strangers are deferred or refused, and the log names what is missing."""
    gatepost = _classic(system, dovecot, _LATER + "mynetworks = 192.0.2.0/24\nsmtpd_peername_lookup = no\n").start()
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=30) as client:
        client.ehlo("client.example.com")
        client.mail("a@example.com")
        assert client.rcpt("anna@example.org")[0] // 100 == 4
        assert client.rcpt("b@elsewhere.example")[0] // 100 in (4, 5)
    gatepost.logged("127.0.0.1:")


_ORIGINAL = Path(__file__).parents[3] / "shared" / "classic"


@pytest.mark.skipif(not _ORIGINAL.is_dir(), reason="an original installation is not here")
def test_original_installation_starts(system: Make) -> None:
    """The files of a real installation, with other places and ports."""
    gatepost = system()
    own = "".join(f"{name} = {gatepost.fill(gatepost.main[name])}\n" for name in _PLACES)
    shutil.copytree(_ORIGINAL, gatepost.folder / "original")
    (gatepost.folder / "mailname").write_text("example.com\n")
    main = (_ORIGINAL / "main.cf").read_text().replace("/etc/mailname", f"{gatepost.folder}/mailname")
    master = (_ORIGINAL / "master.cf").read_text().replace("127.0.0.1:10025", f"127.0.0.1:{gatepost.second}")
    master = re.sub(r"^smtp(\s+inet)", rf"{gatepost.port}\1", master, flags=re.M)
    (gatepost.conf / "main.cf").write_text(main + own)
    (gatepost.conf / "master.cf").write_text(re.sub(r"^smtps(\s+inet)", rf"{free_port()}\1", master, flags=re.M))
    gatepost.start()
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=30) as client:
        client.ehlo("client.example.net")
        client.mail("a@example.net")
        assert client.rcpt("b@example.com")[0] == 451  # virtual_alias_domains asks a directory that is not there
    gatepost.logged("ldap:PostfixUser", "Can't contact LDAP server")
