"""Headers and hops of messages, beside those of real SpamAssassin: one Perl process looks at all of them."""

import json
import subprocess

import pytest

from gatepost.filter.headers.section import section
from gatepost.filter.headers.view import View
from gatepost.filter.port import Session
from gatepost.filter.relays.relays import relays

NAMES = (
    "X-Spam-Relays-Trusted", "X-Spam-Relays-Untrusted", "X-Spam-Relays-Internal", "X-Spam-Relays-External", "ALL", "ALL-TRUSTED",
    "ALL-EXTERNAL", "EnvelopeFrom", "EnvelopeFrom:addr:domain", "From", "From:addr", "From:name", "From:raw", "From:addr:domain",
    "Subject", "ToCc", "ToCc:addr", "MESSAGEID", "X-Originating-IP:revip",
)  # fmt: skip
OPTIONS = {
    "util_rb_tld": ("com example net",),
    "util_rb_2tld": ("co.example",),
    "trusted_networks": ("203.0.113.0/24 198.51.100.0/24",),
    "internal_networks": ("203.0.113.0/24",),
    "originating_ip_headers": ("X-Originating-IP",),
}
LOOK = r"""
use strict; use Mail::SpamAssassin; use JSON::PP;
my $js = JSON::PP->new->latin1; my $asked = $js->decode(do { local $/; <STDIN> });
my $sa = Mail::SpamAssassin->new({local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
    config_text => "loadplugin Mail::SpamAssassin::Plugin::Check\nuse_bayes 0\n" . $asked->{settings}});
$sa->init(1);
my @found = map { my $mail = $sa->parse($_, 1); my $status = $sa->check($mail); my %got;
    for my $name (@{$asked->{names}}) { my @values = $status->get($name);
        $got{$name} = join($name =~ /:(?:addr|name|domain|revip)/ ? "\n" : "", @values) if @values; }
    $status->finish; $mail->finish; \%got } @{$asked->{messages}};
print $js->encode(\@found);
"""

RECEIVED = (
    "from said.example (named.example [{}]) by mx.example.net (Postfix) with {} id 4ABC; Mon, 1 Jan 2024 00:00:00 +0000",
    "from named.example ([{}] helo=said.example) by mx.example.net with {} (Exim 4.96) (envelope-from <e@x.example>) id 1a-b; Mon",
    "from unknown (HELO said.example) (joe@{}) by mx.example.net with {}; 1 Jan 2024 00:00:00 -0000",
    "from NAME.prod.example ({}) by OTHER.example (192.0.2.77) with Microsoft {} Server id 15.20.1; Mon, 1 Jan 2024",
)
PATHS = (
    ("127.0.0.1", "192.0.2.1"),
    ("203.0.113.5", "198.51.100.7", "192.0.2.1", "203.0.113.9"),
    ("203.0.113.5 ESMTPSA", "192.0.2.1 ESMTPSA", "10.0.0.1"),
    ("192.0.2.1", "127.0.0.1", "203.0.113.5"),
    ("2001:db8::1", "IPv6:2001:db8::2"),
    (),
)
PEOPLE = (
    'From: "Doe, Jane" <jane@mail.shop.co.example>\nTo: a@x.example, =?utf-8?q?J=C3=B6rg?= <j@y.example>\n'
    "Cc: (nobody) list: c@z.example;",
    "Return-Path: <bounce@x.example>\nFrom: =?iso-8859-1?q?J=F6rg?= =?utf-8?b?w6Q=?= <j@x.example> (home)\nTo:\n"
    "X-Originating-IP: [192.0.2.9]",
    "From: j\xe4@x.example\nSubject: =?utf-8?q?a=c3?=\n\t=?utf-8?q?=a4?= \xc3\xa4 =?none?q?=e4?=\n"
    "Message-ID: <=?utf-8?q?a?=>\nX-Spam-Flag: YES",
    "no header here\n continued\nFrom : a@x.example\nResent-Message-ID: <1@x>\nMessage-Id: <2@x>\nEnvelope-Sender: <e@x.example>",
)


def _head(path: tuple[str, ...], form: int, people: str) -> str:
    lines = [
        "Received: " + RECEIVED[(form + at) % len(RECEIVED)].format(hop.partition(" ")[0], hop.partition(" ")[2] or "SMTP")
        for at, hop in enumerate(path)
    ]
    return "\n".join((people, *lines, "Subject: x")) + "\n\nbody\n"


MESSAGES = [_head(path, form, people) for path in PATHS for form, people in enumerate(PEOPLE)]


@pytest.fixture(scope="module")
def theirs() -> list[dict[str, str]]:
    settings = "".join(f"{name} {value}\n" for name, values in OPTIONS.items() for value in values)
    asked = json.dumps({"settings": settings, "names": NAMES, "messages": MESSAGES})
    answer = subprocess.run(["perl", "-e", LOOK], input=asked.encode(), capture_output=True, check=True, timeout=60)
    found: list[dict[str, str]] = json.loads(answer.stdout.decode("latin-1"))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_header_is_as_spamassassin_has_it(name: str, theirs: list[dict[str, str]]) -> None:
    for message, wanted in zip(MESSAGES, theirs, strict=True):
        headers = section(message.encode("latin-1"))
        view = View(headers, relays(headers, Session(), OPTIONS), Session(), OPTIONS)
        found = view.get(name)
        assert (None if found is None else found.decode("latin-1")) == wanted.get(name), message
