"""What functions of rules find in headers and hops: each where it hits and where it just does not."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.evals import authentication, freemail, header_eval, relay_eval, vbounce, welcome_list_subject, welcome_lists
from gatepost.filter.evals.mime_header import values
from gatepost.filter.headers.section import section
from gatepost.filter.headers.view import View
from gatepost.filter.port import Session, Text, Uri
from gatepost.filter.relays.relays import relays

EVALS = {
    name: function
    for room in (authentication, freemail, header_eval, relay_eval, vbounce, welcome_list_subject, welcome_lists)
    for name, function in room.EVALS.items()
}
OPTIONS = {
    "util_rb_tld": ("example com net",),
    "freemail_domains": ("free.example *.free.example yahoo.*",),
    "enlist_addrlist": ("(BANKS) *@bank.example",),
    "enlist_uri_host": ("(BAD) bad.example !good.bad.example",),
    "welcomelist_from": ("friend@*",),
    "def_welcomelist_from_rcvd": ("*@shop.example shop.example",),
    "blocklist_to": ("trap@*",),
    "welcomelist_subject": ("[Bug *]",),
    "welcomelist_bounce_relays": ("out*.example",),
    "welcomelist_auth": ("*@signed.example",),
}
HOP = "from said.example (named.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id 4ABC; Mon, 01 Jan 2024 10:00:00 +0000"


def message(head: str, *, session: Session = Session(), text: Text = Text(), **options: tuple[str, ...]) -> Message:
    octets = f"{head}\n\n".encode("latin-1")
    settings: Mapping[str, tuple[str, ...]] = {**OPTIONS, **options}
    found = section(octets)
    one = Message(octets, text, options=settings, relays=relays(found, session, settings), kind="header")
    one.session = session
    one.headers = View(found, one.relays, session, settings)
    return one


def said(name: str, head: str, *arguments: str, **more: Any) -> int:
    return EVALS[name](message(head, **more), arguments)


BANK = "From: Bank <a@bank.example>\nReturn-Path: <x@{}>\nReceived: " + HOP
HEADS = [
    ("check_equal_from_domains", (),
     "From: a@x.example\nReturn-Path: <b@y.example>",
     "From: a@x.example\nReturn-Path: <b@mail.x.example>"),
    ("check_for_matching_env_and_hdr_from", (),
     "From: A@x.example\nReturn-Path: <a@x.example>",
     "From: a@x.example\nReturn-Path: <b@x.example>"),
    ("check_header_count_range", ("Subject", "2", "9"), "Subject: a\nSubject: b", "Subject: a\nSubject: a"),
    ("check_illegal_chars", ("Subject", "0.00", "2"), "Subject: \xe4\xf6\xfc x", "Subject: \xc3\xa4\xc3\xb6 x"),
    ("check_unresolved_template", (), "X-Mailer: %RND_MIX", "Subject: 100%OFF %Off"),
    ("check_ratware_name_id", (),
     f"From: <a@x.example>\nMessage-ID: <{'A' * 28}.a@x.example>",
     f"Message-ID: <{'A' * 28}.a@x.example>"),
    ("check_ratware_envelope_from", (),
     "To: u@d.example\nReturn-Path: <1-d.example?u@x.example>",
     "To: u@d.example\nReturn-Path: <u@d.example>"),
    ("subject_is_all_caps", (), "Subject: Re: BUY THIS NOW", "Subject: Re: BUY this NOW"),
    ("check_for_to_in_subject", ("user",), "To: jane@x.example\nSubject: jane, look", "To: jane@x.example\nSubject: Jane, look"),
    ("check_for_missing_to_header", (), "From: a@x.example", "To:"),
    ("sorted_recipients", (),
     "To: " + ", ".join(f"{c}@x.example" for c in "abcdefg"),
     "To: " + ", ".join(f"{c}@x.example" for c in "bacdefg")),
    ("similar_recipients", ("0.65", "undef"),
     "To: " + ", ".join(f"joe@h{c}.example" for c in "abcde"),
     "To: a@x.example, b@y.example"),
    ("check_for_shifted_date", ("6", "12"),
     f"Date: Mon, 01 Jan 2024 18:00:00 +0000\nReceived: {HOP}",
     f"Date: Mon, 01 Jan 2024 11:00:00 +0000\nReceived: {HOP}"),
    ("check_for_shifted_date", ("undef", "-96"),
     f"Date: Mon, 11 Dec 2023 10:00:00 +0000\nReceived: {HOP}",
     f"Date: nonsense\nReceived: {HOP}"),
    ("check_outlook_message_id", (),
     f"Message-ID: <000001c21cfb$b648f980$01000000@x>\nDate: Mon, 01 Jan 2024 10:00:00 +0000\nReceived: {HOP}",
     "Message-ID: <a@x>"),
    ("gated_through_received_hdr_remover", (),
     "Mailing-List: contact a-help@x.example; run by ezmlm\nReceived: (qmail 1 invoked by uid 2); 1 Jan 2024 00:00:00 -0000",
     f"Received: {HOP}"),
    ("check_for_forged_yahoo_received_headers", (),
     f"From: a@yahoo.com\nReceived: {HOP}",
     "From: a@yahoo.com\nReceived: from x by web1.mail.yahoo.com via HTTP"),
    ("check_for_forged_gmail_received_headers", (),
     f"From: a@gmail.com\nReceived: {HOP}",
     "From: a@gmail.com\nX-Google-Smtp-Source: a\nReceived: x"),
    ("check_for_no_hotmail_received_headers", (), f"From: a@hotmail.com\nReceived: {HOP}", f"From: a@x.example\nReceived: {HOP}"),
    ("check_for_forged_hotmail_received_headers", (),
     "Received: from hotmail.com (a.example [192.0.2.1]) by b",
     "Received: from hotmail.com (f.hotmail.com [192.0.2.1]) by b"),
    ("check_for_fake_aol_relay_in_rcvd", (),
     "Received: from [192.0.2.1] by rly-xl04.mx.aol.com with QMQP",
     "Received: from a by rly-xl04.mx.aol.com with ESMTP"),
    ("check_all_trusted", (), "Received: from a (b [127.0.0.1]) by c.example (Postfix) with ESMTP id 1", f"Received: {HOP}"),
    ("check_no_relays", (), "From: a@x.example", f"Received: {HOP}"),
    ("check_relays_unparseable", (), "Received: from nowhere", "Received: (qmail 1 invoked by uid 2)"),
    ("helo_ip_mismatch", (),
     "Received: from 198.51.100.1 (b [192.0.2.1]) by c (Postfix) with ESMTP id 123",
     "Received: from 192.0.2.9 (b [192.0.2.1]) by c (Postfix) with ESMTP id 123"),
    ("check_for_no_rdns_dotcom_helo", (),
     "Received: from yahoo.com (unknown [192.0.2.1]) by c (Postfix) with ESMTP id 123",
     "Received: from yahoo.com (a.yahoo.com [192.0.2.1]) by c (Postfix) with ESMTP id 123"),
    ("check_freemail_from", (), "From: a@free.example", "From: support@free.example"),
    ("check_freemail_from", (), "From: a@mail.free.example", "From: a@x.mail.free.example"),
    ("check_freemail_header", ("Reply-To", "\\d@"), "Reply-To: a1@yahoo.com", "Reply-To: a@yahoo.com"),
    ("check_freemail_replyto", ("replyto",),
     "From: a@free.example\nReply-To: b@free.example",
     "From: a@free.example\nReply-To: a@free.example"),
    ("check_freemail_replyto", ("replyto",),
     "From: a@free.example\nReply-To: b@free.example",
     "List-Id: x\nFrom: a@free.example\nReply-To: b@free.example"),
    ("check_from_in_list", ("BANKS",), "From: a@bank.example", "From: a@bank.example.net"),
    ("check_replyto_in_list", ("BANKS",), "Reply-To: a@bank.example", "From: a@bank.example"),
    ("check_from_in_welcomelist", (), "From: friend@x.example", "From: foe@x.example"),
    ("check_from_in_default_welcomelist", (),
     "From: a@shop.example\nReceived: " + HOP.replace("named", "mail.shop"),
     f"From: a@shop.example\nReceived: {HOP}"),
    ("check_to_in_blocklist", (), "Cc: trap@x.example", "Cc: a@x.example"),
    ("check_mailfrom_matches_rcvd", (), BANK.format("named.example"), BANK.format("bank.example")),
    ("check_subject_in_welcomelist", (), "Subject: Re: [bug 17] x", "Subject: bug 17"),
    ("check_subject_in_whitelist", (), "Subject: [Bug 17]", "Subject: Bug"),
    ("have_any_bounce_relays", (), "", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "hit", "missed"), HEADS)
def test_what_hits_and_what_just_does_not(name: str, arguments: tuple[str, ...], hit: str, missed: str | None) -> None:
    assert said(name, hit, *arguments)
    assert missed is None or not said(name, missed, *arguments)


def test_a_forged_first_date_is_no_proof_of_the_arrival() -> None:
    """The sender wrote the oldest line, with the date of Date in it."""
    own = "from a (b [198.51.100.1]) by c; Mon, 01 Jan 2024 02:00:00 +0000"
    head = f"Date: Mon, 01 Jan 2024 02:00:00 +0000\nReceived: {HOP}\nReceived: {own}"
    assert said("check_for_shifted_date", head, "-12", "-6")


def test_hosts_of_uris_in_a_list_and_below_it() -> None:
    def listed(host: bytes) -> int:
        return said("check_uri_host_listed", "", "BAD", text=Text(uris=(Uri(raw=b"x", hosts={host: b""}),)))

    assert listed(b"www.bad.example") and listed(b"bad.example")
    assert not listed(b"x.good.bad.example") and not listed(b"worse.example")
    address = Text(uris=(Uri(raw=b"mailto:a@bad.example", hosts={b"bad.example": b""}),))
    assert not said("check_uri_host_listed", "", "BAD", text=address)


def test_replies_to_another_free_address_than_the_body_names() -> None:
    text = Text(body=(b"subject", b"write to c@free.example\n"))
    assert said("check_freemail_replyto", "From: a@free.example", "reply", text=text)
    assert not said("check_freemail_replyto", "From: c@free.example", "reply", text=text)
    quoted = Text(body=(b"subject", b"On Monday c@free.example wrote: hello\n"))
    assert not said("check_freemail_replyto", "From: a@free.example", "reply", text=quoted)


def test_a_bounce_of_our_own_mail() -> None:
    ours, other = (Text(raw_body=(f"> Received: from a by {host} id 1\n".encode(),)) for host in ("out1.example", "in1.example"))
    assert said("check_welcomelist_bounce_relays", "", text=ours)
    assert not said("check_welcomelist_bounce_relays", "", text=other)
    assert not said("check_welcomelist_bounce_relays", "", text=ours, welcomelist_bounce_relays=())


def test_results_of_spf_are_the_sessions() -> None:
    session = Session(spf="pass", spf_helo="fail", sender="a@signed.example")
    for name in ("check_for_spf_pass", "check_for_spf_helo_fail", "check_for_spf_welcomelist_from"):
        assert said(name, "", session=session)
        assert not said(name, "", session=Session(sender="a@signed.example"))
    assert said("check_spf_skipped_noenvfrom", "")


def test_what_has_no_facts_says_nothing_and_is_named() -> None:
    assert {"check_dkim_valid", "check_dmarc_reject"} <= authentication.UNAVAILABLE.keys()
    assert not any(EVALS[name](message("DKIM-Signature: v=1"), ()) for name in authentication.UNAVAILABLE)


PARTS = (
    "Content-Type: multipart/mixed; boundary=b\n\n"
    "--b\nContent-Type: text/plain;\n name=a\n\n--b\nContent-Type: image/gif;\n name=c\n"
    'Content-Disposition: attachment;\n\tfilename="=?utf-8?q?caf=C3=A9?="\n\n--b--'
)


@pytest.mark.parametrize(
    ("name", "flags", "wanted"),
    [
        ("Content-Type", (), [b"multipart/mixed; boundary=b\n", b"text/plain; name=a\n", b"image/gif; name=c\n"]),
        ("content-type", ("range=2-",), [b"text/plain; name=a\n", b"image/gif; name=c\n"]),
        ("Content-Type", ("range=3", "multiple"), [b"image/gif; name=c\n"]),
        ("Content-Type", ("range=-1",), [b"multipart/mixed; boundary=b\n"]),
        ("Content-Type", ("range=2-3", "concat"), [b"text/plain; name=a\nimage/gif; name=c\n"]),
        ("Content-ID", ("concat",), []),
        ("Content-Disposition", (), ['attachment; filename="caf\u00e9"\n'.encode()]),
        ("Content-Disposition:raw", (), [b'attachment;\n\tfilename="=?utf-8?q?caf=C3=A9?="\n']),
    ],
)
def test_a_header_of_all_parts(name: str, flags: tuple[str, ...], wanted: list[bytes]) -> None:
    assert list(values(Message(PARTS.encode()), name, flags)) == wanted
