"""What rules ask of the DNS, and what the answers hit, is what real SpamAssassin asks and hits: rules of each kind, over messages
with relays, senders and URIs of each kind. A name server on 127.0.0.1 knows a table, and writes down what it is asked."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from gatepost.filter.headers.section import section
from gatepost.filter.headers.view import View
from gatepost.filter.names.answering import answers
from gatepost.filter.names.asking import Asking
from gatepost.filter.port import Session, Text, Uri
from gatepost.filter.relays.relays import relays
from gatepost.filter.rules.reading import read
from gatepost.filter.rules.ruleset import Ruleset
from gatepost.net.dns import AresResolver
from tests.support.free_ports import free_port
from tests.support.running import wait_for
from tests.unit.filter.evals.examined_message import Message

PLUGINS = "".join(
    f"loadplugin Mail::SpamAssassin::Plugin::{name}\n" for name in ("Check", "DNSEval", "URIDNSBL", "AskDNS", "HashBL")
)

# With one of `ns` and `a` alone SpamAssassin 4.0.1 asks about the addresses of name servers for the wrong one: docs/differences.md.
RULES = r"""
util_rb_tld test
dns_available yes
rbl_timeout 5
uridnsbl_skip_domain skipped.test
dns_query_restriction deny denied.test

header L_ALL      eval:check_rbl('all', 'all.test.')
header L_LAST     eval:check_rbl('last-lastexternal', 'last.test.')
header L_FIRST    eval:check_rbl('first-firsttrusted', 'first.test')
header L_UNTRUST  eval:check_rbl('untr-untrusted', 'untrusted.test.')
header L_NOTFIRST eval:check_rbl('nf-notfirsthop', 'notfirst.test.')
header L_DENIED   eval:check_rbl('denied', 'zone.denied.test.')
header L_SUBTEST  eval:check_rbl('other-lastexternal', 'last.test.', '^127\.0\.0\.[45]$')
header L_SUB2     eval:check_rbl_sub('all', '127.0.0.2')
header L_SUB_MASK eval:check_rbl_sub('all', '4')
header L_SUB_RE   eval:check_rbl_sub('all', '^127\.0\.0\.\d+$')
header L_TXT      eval:check_rbl_txt('txt-lastexternal', 'txt.test.', '(?i:listed)')
header L_ENVFROM  eval:check_rbl_envfrom('env', 'env.test.')
header L_FROM     eval:check_rbl_from_host('from', 'from.test.')
tflags L_ALL net
tflags L_LAST net
tflags L_FIRST net
tflags L_UNTRUST net
tflags L_NOTFIRST net
tflags L_DENIED net
tflags L_SUBTEST net
tflags L_SUB2 net
tflags L_SUB_MASK net
tflags L_SUB_RE net
tflags L_TXT net
tflags L_ENVFROM net
tflags L_FROM net

urirhsbl  U_RHS      rhs.test. A
body      U_RHS      eval:check_uridnsbl('U_RHS')
tflags    U_RHS      net
urirhssub U_SUB      sub.test. A 2
body      U_SUB      eval:check_uridnsbl('U_SUB')
tflags    U_SUB      net notrim
urirhssub U_RANGE    sub.test. A 127.0.0.8-127.0.0.16
body      U_RANGE    eval:check_uridnsbl('U_RANGE')
tflags    U_RANGE    net notrim domains_only
uridnsbl  U_ADDR     addr.test. A
body      U_ADDR     eval:check_uridnsbl('U_ADDR')
tflags    U_ADDR     net ns a
urifullnsrhsbl U_FULL full.test. A
body      U_FULL     eval:check_uridnsbl('U_FULL')
tflags    U_FULL     net

askdns    A_SENDER   _SENDERDOMAIN_.dom.test A /^127\.0\.0\.\d+$/
askdns    A_AUTHOR   _AUTHORDOMAIN_.dom.test A 127.0.0.9
askdns    A_TXT      _SENDERDOMAIN_ TXT /^v=spf1 \+all$/
askdns    A_HELO     _LASTEXTERNALHELO_ A
askdns    A_REVIP    _LASTEXTERNALREVIP_.rev.test TXT
tflags    A_SENDER   net
tflags    A_AUTHOR   net
tflags    A_TXT      net
tflags    A_HELO     net
tflags    A_REVIP    net

body      H_RE       eval:check_hashbl_bodyre('coin.test', 'raw/max=10', '\b(1[a-z0-9]{25,34})\b')
tflags    H_RE       net
body      H_SHA      eval:check_hashbl_bodyre('sha.test', 'sha1/max=10', '\b(1[a-z0-9]{25,34})\b')
tflags    H_SHA      net
header    H_MAIL     eval:check_hashbl_emails('mail.test/A', 'md5/max=10', 'Reply-To')
tflags    H_MAIL     net
"""

RELAYED = b"""\
Return-Path: <bounce@sender.test>
Received: from mx.first.test (mx.first.test [8.8.8.8])
	by here.test (Postfix) with ESMTP id A1 for <u@here.test>; Sun, 29 Nov 2026 20:00:03 +0000
Received: from inside.first.test (inside.first.test [192.168.3.4])
	by mx.first.test (Postfix) with ESMTP id B2; Sun, 29 Nov 2026 20:00:02 +0000
Received: from client.third.test (client.third.test [9.9.9.9])
	by inside.first.test (Postfix) with ESMTP id C3; Sun, 29 Nov 2026 20:00:01 +0000
From: Author <author@www.author.test>
Reply-To: Reply <reply@answers.test>
To: u@here.test
Subject: hello
Message-ID: <1@author.test>
Date: Sun, 29 Nov 2026 20:00:00 +0000

"""
SINGLE = RELAYED.replace(b"Received: from inside", b"X-Inside: ").replace(b"Received: from client", b"X-Client: ")


def uri(host: str, domain: str) -> Uri:
    raw = f"http://{host}/".encode()
    return Uri(raw, (raw,), (), frozenset(("parsed",)), {host.encode(): domain.encode()})


MESSAGES: Mapping[str, tuple[bytes, bytes, tuple[Uri, ...]]] = {
    "relays": (RELAYED, b"nothing to see here\n", ()),
    "one relay": (SINGLE, b"nothing to see here\n", ()),
    "hosts": (SINGLE, b"see http://www.shop.test/ now\n", (uri("www.shop.test", "shop.test"),)),
    "two hosts of a domain": (
        SINGLE,
        b"see http://www.shop.test/ or http://img.shop.test/ now\n",
        (uri("www.shop.test", "shop.test"), uri("img.shop.test", "shop.test")),
    ),
    "an address": (SINGLE, b"see http://203.0.113.9/ now\n", (uri("203.0.113.9", "203.0.113.9"),)),
    "skipped": (SINGLE, b"see http://www.skipped.test/ now\n", (uri("www.skipped.test", "skipped.test"),)),
    "digests": (SINGLE, b"pay to 1abcdefghijkmnopqrstuvwxyz23 now\n", ()),
}

RECORDS: Mapping[str, tuple[str, ...]] = {
    "8.8.8.8.all.test A": ("127.0.0.2", "127.0.0.4"),
    "9.9.9.9.all.test A": ("127.0.0.3",),
    "8.8.8.8.last.test A": ("127.0.0.5",),
    "8.8.8.8.first.test A": ("127.0.0.2",),
    "9.9.9.9.untrusted.test A": ("127.0.0.2",),
    "8.8.8.8.notfirst.test A": ("127.0.0.2",),
    "8.8.8.8.txt.test TXT": ("Listed, see http://txt.test/",),
    "sender.test.env.test A": ("127.0.0.2",),
    "www.author.test.from.test A": ("127.0.0.2",),
    "shop.test.rhs.test A": ("127.0.0.2",),
    "www.shop.test.sub.test A": ("127.0.0.10",),
    "img.shop.test.sub.test A": ("127.0.0.4",),
    "shop.test NS": ("ns1.server.test", "ns2.server.test"),
    "ns1.server.test A": ("8.8.4.4",),
    "ns2.server.test A": ("9.9.9.10",),
    "10.9.9.9.addr.test A": ("127.0.0.2",),
    "ns2.server.test.full.test A": ("127.0.0.2",),
    "www.shop.test A": ("8.8.4.5",),
    "9.113.0.203.rhs.test A": ("127.0.0.2",),
    "9.113.0.203.sub.test A": ("127.0.0.10",),
    "sender.test.dom.test A": ("127.0.0.9",),
    "www.author.test.dom.test A": ("127.0.0.8",),
    "sender.test TXT": ("v=spf1 -all", "v=spf1 +all"),
    "mx.first.test A": ("8.8.8.8",),
    "1abcdefghijkmnopqrstuvwxyz23.coin.test A": ("127.0.0.2",),
}


class NameServer:
    """Answers from RECORDS. `asked`: each question once, as `name type`."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                octets, client = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(dns.message.from_wire(octets)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        record = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text().rstrip(".").lower()
        self.asked.add(f"{name} {record}")
        answer = dns.message.make_response(query, recursion_available=True)
        values = [f'"{value}"' if record == "TXT" else value for value in RECORDS.get(f"{name} {record}", ())]
        if values:
            values = [f"{value}." if record == "NS" else value for value in values]
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", record, *values))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def name_server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def folder(name_server: NameServer) -> Iterator[Path]:
    """Of the rules; spamd reads them as another user."""
    path = Path(tempfile.mkdtemp(prefix="rules-"))
    path.chmod(0o755)
    (path / "all.pre").write_text(PLUGINS)
    (path / "all.cf").write_text(f"{RULES}\ndns_server 127.0.0.1:{name_server.port}\n")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def spamd(folder: Path) -> Iterator[int]:
    """Its port."""
    port, home = free_port(), folder / "home"
    home.mkdir()
    command = ["spamd", f"--configpath={folder}", f"--siteconfigpath={folder}", f"--port={port}", "--listen=127.0.0.1"]
    command += [
        "--max-children=1",
        "--min-children=1",
        "--nouser-config",
        "--syslog=stderr",
        f"--helper-home-dir={home}",
        "--username=nobody",
    ]
    with (folder / "spamd.log").open("wb") as log:
        process = subprocess.Popen([shutil.which("spamd") or "/usr/sbin/spamd", *command[1:]], stdout=log, stderr=log)
    try:
        wait_for(lambda: b"server started" in (folder / "spamd.log").read_bytes(), "spamd has not started", 20)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def ruleset(folder: Path) -> Ruleset:
    found = read([folder])
    assert not found.faults
    return found


def of_spamassassin(port: int, octets: bytes) -> set[str]:
    done = subprocess.run(
        ["spamc", "-y", "-d", "127.0.0.1", "-p", str(port)], input=octets, capture_output=True, check=True, timeout=30
    )
    return {name for name in done.stdout.decode().strip().split(",") if "_" in name}


def of_gatepost(ruleset: Ruleset, port: int, octets: bytes, uris: tuple[Uri, ...], body: bytes) -> set[str]:
    headers = section(octets)
    hops = relays(headers, Session(), ruleset.options)
    message = Message(octets, Text(body=(b"hello\n", body), uris=uris), options=ruleset.options, relays=hops)
    message.headers = View(headers, hops, Session(), ruleset.options)
    lookups = Asking(ruleset, 1).lookups(message)

    async def resolved() -> set[str]:
        clock = asyncio.get_running_loop().time
        resolver = AresResolver(clock, nameservers=[f"127.0.0.1:{port}"], hosts=Path("/dev/null"))
        found = await answers(lookups, resolver, clock, 10.0)
        await resolver.close()
        return {hit.rule for hit in found.hits}

    return asyncio.run(resolved())


@pytest.mark.parametrize("name", MESSAGES)
def test_questions_and_hits_are_those_of_spamassassin(name: str, spamd: int, ruleset: Ruleset, name_server: NameServer) -> None:
    headers, body, uris = MESSAGES[name]
    octets = headers + body
    name_server.asked.clear()
    theirs = of_spamassassin(spamd, octets), set(name_server.asked)
    name_server.asked.clear()
    ours = of_gatepost(ruleset, name_server.port, octets, uris, body), set(name_server.asked)
    assert (sorted(ours[1] ^ theirs[1]), sorted(ours[0] ^ theirs[0])) == ([], [])
    assert theirs[1]
