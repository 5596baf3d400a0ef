"""SPF beside pyspf and Debian's policyd-spf, all with the same name server; a real Postfix that asks our service; our own smtpd."""

import json
import os
import re
import shlex
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.proto.policy_delegation import Reader, encode
from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.name_server import ZoneServer
from tests.support.running import System, wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

ZONE = """
pass.test TXT v=spf1 ip4:192.0.2.0/24 -all
fail.test TXT v=spf1 -all
soft.test TXT v=spf1 ~all
neutral.test TXT v=spf1 ?all
empty.test TXT v=spf1
none.test A 192.0.2.9
broken.test TXT v=spf1 moo -all
two.test TXT v=spf1 -all
two.test TXT v=spf1 +all
slow.test DROP
why.test TXT v=spf1 -all exp=text.why.test
text.why.test TXT %{i} is no host of %{d}
a.test TXT v=spf1 a -all
a.test A 192.0.2.1
a.test AAAA 2001:db8::1
mx.test TXT v=spf1 mx -all
mx.test MX 10 a.test
ptr.test TXT v=spf1 ptr -all
192.0.2.7 PTR host.ptr.test
host.ptr.test A 192.0.2.7
exists.test TXT v=spf1 exists:%{ir}.%{l1r-}.ok.test -all
1.2.0.192.bob.ok.test A 127.0.0.2
inc.test TXT v=spf1 include:pass.test include:a.test ~all
redir.test TXT v=spf1 redirect=pass.test
loop.test TXT v=spf1 include:loop.test -all
nowhere.test TXT v=spf1 redirect=gone.test
slowinc.test TXT v=spf1 include:slow.test -all
void.test TXT v=spf1 a:v1.test a:v2.test a:v3.test -all
helo.test TXT v=spf1 ip4:192.0.2.1 -all
local.test TXT v=spf1 exists:%{l}.people.test -all
prvs=1234=bob.people.test A 127.0.0.2
bob+tag.people.test A 127.0.0.2
"""
NAMES = """pass fail soft neutral empty none broken two why a mx ptr exists inc redir loop nowhere void gone""".split()
ADDRESSES = ["192.0.2.1", "192.0.2.7", "198.51.100.1", "2001:db8::1"]
SENT = [(address, f"bob@{name}.test", "helo.unknown.test") for address in ADDRESSES for name in NAMES] + [
    ("192.0.2.1", f"bob@{name}.test", "helo.unknown.test") for name in ("slow", "slowinc")
]
HELLOS = [
    ("192.0.2.1", "", "helo.test"),
    ("198.51.100.1", "", "helo.test"),
    ("198.51.100.1", "bob@pass.test", "helo.test"),
    ("192.0.2.1", "bob@none.test", "helo.test"),
    ("192.0.2.1", "bob@fail.test", "helo.test"),
    ("127.0.0.1", "bob@fail.test", "helo.test"),
    ("192.0.2.1", "", "bare"),
    ("192.0.2.1", "", "[192.0.2.1]"),
    ("192.0.2.1", "x", "helo.unknown.test"),
]
LOCAL_PARTS = [
    ("192.0.2.1", f"{local}@local.test", "helo.unknown.test") for local in ("prvs=1234=bob", "bob+tag", "eve+tag", "eve")
]
CASES = SENT + HELLOS + LOCAL_PARTS


@pytest.fixture(scope="module")
def dns() -> Iterator[ZoneServer]:
    one = ZoneServer(ZONE)
    yield one
    one.close()


_OURS = {
    "inet_protocols": "ipv4",
    "mydestination": "",
    "virtual_mailbox_domains": "example.net",
    "virtual_mailbox_base": "{dir}/Maildir",
    "virtual_mailbox_maps": "static:box/",
    "virtual_uid_maps": "static:65534",
    "virtual_gid_maps": "static:65534",
    "smtpd_peername_lookup": "no",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "smtpd_recipient_restrictions": "check_spf",
}
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - spf -o spf_lookup_time=1s
127.0.0.1:{third} inet n - n - - spf
    -o spf_permerror_action=reject -o spf_temperror_action=defer_if_permit -o spf_softfail_action=reject -o spf_lookup_time=1s
127.0.0.1:{fourth} inet n - n - - smtpd -o spf_lookup_time=1s -o spf_header_type=spf,ar
"""


@pytest.fixture(scope="module")
def gatepost(dns: ZoneServer) -> Iterator[System]:
    one = System(_OURS, _MASTER, prefix=dns.prefix)
    (one.folder / "Maildir").mkdir()
    os.chmod(one.folder / "Maildir", 0o777)
    with one:
        yield one


class Conversation:
    """Policy requests over a connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._reader = Reader()
        self._number = 0

    def ask(self, address: str, sender: str, helo: str, instance: str = "") -> str:
        self._socket.sendall(_request(address, sender, helo, instance or str(self._number)))
        self._number += 1
        while True:
            octets = self._socket.recv(65536)
            assert octets, "the policy server hung up"
            if sets := self._reader.feed(octets):
                return sets[0]["action"]


def _request(address: str, sender: str, helo: str, instance: str) -> bytes:
    return encode({
        "request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "client_address": address,
        "client_name": "unknown", "helo_name": helo, "sender": sender, "recipient": "b@example.net", "instance": instance,
    })  # fmt: skip


def meaning(action: str) -> str:
    """What an action comes to: the header's name and result, or the code of a refusal."""
    if found := re.match(r"(?i)prepend (Received-SPF: \w+|X-Comment)", action):
        return found[1].lower()
    if found := re.match(r"(?i)(550|defer_if_permit) ([45]\.\d\.\d+)", action):
        return found[0].lower()
    return action.lower()


def policyd(dns: ZoneServer, settings: str) -> list[str]:
    """What Debian's policyd-spf says of each case."""
    configuration = dns.folder / "policyd-spf.conf"
    configuration.write_text(f"debugLevel = -1\nTestOnly = 1\nLookup_Time = 1\nskip_addresses = 127.0.0.0/8,::1\n{settings}")
    requests = b"".join(_request(*case, str(number)) for number, case in enumerate(CASES))
    command = [*dns.prefix, "/usr/bin/policyd-spf", str(configuration)]
    done = subprocess.run(command, input=requests, capture_output=True, timeout=240)
    answers = Reader().feed(done.stdout)
    assert len(answers) == len(CASES), done.stderr.decode()
    return [meaning(one["action"]) for one in answers]


@pytest.mark.parametrize(
    ("service", "settings"),
    [("second", ""), ("third", "PermError_reject = True\nTempError_Defer = True\nMail_From_reject = Softfail\n")],
)
def test_the_same_as_policyd_spf(gatepost: System, dns: ZoneServer, service: str, settings: str) -> None:
    theirs = policyd(dns, settings)
    conversation = Conversation(getattr(gatepost, service))
    ours = [meaning(conversation.ask(*case)) for case in CASES]
    assert [told for told in zip(CASES, ours, theirs, strict=True) if told[1] != told[2]] == []


_PYSPF = """
import json, sys, spf
for address, sender, helo in json.load(sys.stdin):
    print(spf.check2(i=address, s=sender, h=helo, querytime=1)[0])
"""


def test_the_same_as_pyspf(gatepost: System, dns: ZoneServer) -> None:
    command = [*dns.prefix, "/usr/bin/python3", "-c", _PYSPF]
    done = subprocess.run(command, input=json.dumps(SENT), capture_output=True, text=True, timeout=240)
    theirs = done.stdout.split()
    assert len(theirs) == len(SENT), done.stderr
    conversation = Conversation(gatepost.second)
    for case, result in zip(SENT, theirs, strict=True):
        said = meaning(conversation.ask(*case))
        assert said == ("550 5.7.23" if result == "fail" else f"received-spf: {result}"), case


def xclient(port: int, address: str, helo: str = "helo.unknown.test") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, timeout=60)
    client.ehlo("proxy.test")
    assert client.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE]")[0] == 220
    client.ehlo(helo)
    return client


def deliver(port: int, sender: str, subject: str, *to: str, address: str = "192.0.2.1") -> None:
    with xclient(port, address) as client:
        client.sendmail(sender, list(to), f"Subject: {subject}\r\n\r\nbody\r\n")


def refusal(port: int, sender: str, address: str = "192.0.2.1") -> tuple[int, str]:
    with xclient(port, address) as client:
        client.mail(sender)
        code, text = client.rcpt("b@example.net")
    return code, text.decode()


@pytest.fixture(scope="module")
def postfix(gatepost: System, dns: ZoneServer) -> Iterator[Postfix]:
    main = f"""\
smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:{gatepost.second}
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
"""
    one = Postfix(main)
    yield one
    one.clean()


def test_a_real_postfix_asks_our_service(postfix: Postfix) -> None:
    deliver(postfix.port, "bob@pass.test", "from-pass", "b@example.net", "c@example.net")
    message = postfix.arrival(b"Subject: from-pass")
    assert message.count(b"Received-SPF: Pass (") == 1
    assert b'envelope-from="bob@pass.test"' in message
    code, text = refusal(postfix.port, "bob@why.test")
    assert code == 550
    assert text == (
        "5.7.23 <b@example.net>: Recipient address rejected: Message rejected due to: SPF fail - not authorized;"
        " why.test explains: 192.0.2.1 is no host of why.test"
    )


def _arrival(system: System, text: bytes) -> bytes:
    def found() -> bytes:
        files = (system.folder / "Maildir/box/new").glob("*")
        return next((message for file in files if text in (message := file.read_bytes())), b"")

    return wait_for(found, lambda: f"{text!r} delivered\n{system.log()}")


def test_our_smtpd(gatepost: System) -> None:
    deliver(gatepost.port, "bob@pass.test", "ours-pass", "b@example.net", "c@example.net")
    message = _arrival(gatepost, b"Subject: ours-pass")
    assert message.count(b"Received-SPF: Pass (") == 1
    code, text = refusal(gatepost.port, "bob@why.test")
    assert code == 550
    assert text == (
        "5.7.23 <bob@why.test>: Sender address rejected: SPF fail - not authorized;"
        " why.test explains: 192.0.2.1 is no host of why.test"
    )
    gatepost.logged("reject: RCPT from unknown[192.0.2.1]: 550 5.7.23 <bob@why.test>")


def test_two_messages_of_a_session_have_a_header_each(gatepost: System) -> None:
    with xclient(gatepost.port, "192.0.2.1") as client:
        for name in ("pass", "soft"):
            client.sendmail(f"bob@{name}.test", ["b@example.net"], f"Subject: session-{name}\r\n\r\nbody\r\n")
    for name, result in (("pass", b"Pass"), ("soft", b"Softfail")):
        message = _arrival(gatepost, f"Subject: session-{name}".encode())
        assert message.count(b"Received-SPF: ") == 1
        assert b"Received-SPF: %s (" % result in message


def test_a_name_server_that_does_not_answer_holds_mail_up_for_spf_lookup_time(gatepost: System) -> None:
    silent = ZoneServer("silent.test DROP\n")
    one = System(_OURS, _MASTER, prefix=silent.prefix)
    (one.folder / "Maildir").mkdir()
    os.chmod(one.folder / "Maildir", 0o777)
    with one:
        deliver(one.fourth, "bob@silent.test", "silent", "b@example.net")
        message = _arrival(one, b"Subject: silent")
    silent.close()
    assert b"Received-SPF: Temperror (" in message
    assert b"spf=temperror (" in message
    assert b"within 1 seconds" in message


PAGE = Path(__file__).parents[2] / "docs" / "spf.md"


def test_every_command_of_the_page(dns: ZoneServer) -> None:
    """In their order; 10031 may be taken here."""
    port = str(free_port())
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 6
    master = "127.0.0.1:{port} inet n - n - - smtpd\n"
    with System(
        {name: value for name, value in _OURS.items() if name != "smtpd_recipient_restrictions"}, master, prefix=dns.prefix
    ) as one:
        for command in commands:
            words = shlex.split(command.replace("10031", port))
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stderr)
            assert "spf" not in done.stderr
        assert "check_spf" in one.command("postconf", "smtpd_recipient_restrictions").stdout
        assert wait_for(lambda: _asks(int(port)), "a policy server").startswith("550 5.7.23 ")


def _asks(port: int) -> str:
    try:
        return Conversation(port).ask("192.0.2.1", "bob@fail.test", "helo.unknown.test")
    except OSError:
        return ""
