"""Received lines as hops: each form in which mail servers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.port import Relay
from gatepost.filter.relays.received import Untold, hop, unfolded

BY = "by mx.example.net (Postfix) with ESMTP id 4ABC; Mon, 1 Jan 2024 00:00:00 +0000"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            f"from said.example (named.example [192.0.2.1]) {BY}",
            Relay("192.0.2.1", "named.example", "said.example", "mx.example.net", id="4ABC"),
        ),
        (
            f"from said.example (unknown [192.0.2.1]) {BY}",
            Relay("192.0.2.1", "", "said.example", "mx.example.net", id="4ABC", nameless=True),
        ),
        (
            f"from [192.0.2.9] (named.example [IPv6:2001:db8::1]) {BY}",
            Relay("2001:db8::1", "named.example", "!192.0.2.9!", "mx.example.net", id="4ABC"),
        ),
        (
            "from said.example (IDENT:joe@named.example [192.0.2.1] (may be forged)) by mx.example.net (8.14/8.14) with ESMTP; Mon",
            Relay("192.0.2.1", "named.example", "said.example", "mx.example.net", "joe"),
        ),
        (
            "from said.example (named.example [192.0.2.1]) (authenticated bits=0) by mx.example.net (8.14/8.14) with ESMTP id abc",
            Relay("192.0.2.1", "named.example", "said.example", "mx.example.net", id="abc", auth="Sendmail"),
        ),
        (
            "from named.example ([192.0.2.1]:4711 helo=said.example ident=joe) by mx.example.net with esmtpsa (Exim 4.96)"
            " (envelope-from <joe@sender.example>) id 1abc-def",
            Relay(
                "192.0.2.1", "named.example", "said.example", "mx.example.net", "joe", "joe@sender.example", "1abc-def", "esmtpsa"
            ),
        ),
        (
            "from unknown (HELO said.example) (joe@192.0.2.1) by mx.example.net with SMTP; 1 Jan 2024 00:00:00 -0000",
            Relay("192.0.2.1", "", "said.example", "mx.example.net", "joe", nameless=True),
        ),
        (
            "from NAME.prod.example (2001:db8::2) by OTHER.example (2001:db8::3) with Microsoft SMTP Server id 15.20.1",
            Relay("2001:db8::2", "NAME.prod.example", "NAME.prod.example", "OTHER.example", id="15.20.1"),
        ),
        (
            "from [192.0.2.1] (account joe HELO [10.0.0.1]) by mx.example.net (CommuniGate Pro SMTP 5.2) with ESMTPA; Mon",
            Relay("192.0.2.1", "", "!10.0.0.1!", "mx.example.net", auth="ESMTPA", nameless=True),
        ),
        (
            "from 198.51.100.7 (SquirrelMail authenticated user joe) by mail.example.net with HTTP; Mon, 1 Jan 2024",
            Relay("198.51.100.7", "", "", "mail.example.net", auth="HTTP", nameless=True),
        ),
        (
            'from a.example ([192.0.2.1]:34294 "EHLO said.example" rhost-flags-OK) by vger.example with ESMTP id S2305 (ORCPT <x>)',
            Relay("192.0.2.1", "", "said.example", "vger.example", id="S2305", nameless=True),
        ),
        (
            "from said.example ([::ffff:192.0.2.1]) by mx.example.net with esmtp; Mon, 1 Jan 2024",
            Relay("192.0.2.1", "", "said.example", "mx.example.net", nameless=True),
        ),
        (
            "from said.example [192.0.2.1] by mx.example.net (SMTPD32-8.05) id A1B2",
            Relay("192.0.2.1", "", "said.example", "mx.example.net", id="A1B2"),
        ),
    ],
)
def test_a_hop(line: str, wanted: Relay) -> None:
    found = hop(line)
    assert found == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("(qmail 1234 invoked by uid 5); 1 Jan 2024", Untold.SILENT),
        ("by mx.example.net (Postfix, from userid 33) id 4ABC; Mon", Untold.SILENT),
        ("from list by mx.example.net with local (Exim 4.96) id 1abc; Mon", Untold.SILENT),
        ("from mail pickup service by mx.example.net with Microsoft SMTPSVC; Mon", Untold.SILENT),
        (
            "from mx.example.net [192.0.2.1] by localhost with IMAP (fetchmail-6.4) for <joe@localhost> (single-drop); Mon",
            Untold.FETCHED,
        ),
        ("from nowhere", Untold.UNPARSED),
        ("from a ([999.1.1.1]) by mx.example.net with SMTP; Mon", Untold.UNPARSED),
    ],
)
def test_lines_that_tell_of_no_hop(line: str, wanted: Untold) -> None:
    assert hop(line) == wanted


@pytest.mark.parametrize("said", ["[10.0.0.1]", "[127.0.0.1]", "x]) by us", "a [10.0.0.1])", "x ([127.0.0.1]) by mx.example.net"])
def test_what_a_client_says_is_not_its_address(said: str) -> None:
    """In brackets behind HELO SpamAssassin takes it for the address that the server saw."""
    found = hop(f"from unknown (HELO {said}) ([192.0.2.66]) by mx.example.net with ESMTP; Mon, 1 Jan 2024 00:00:00 +0000")
    assert not isinstance(found, Relay) or found.ip in ("192.0.2.66",)


def test_a_line_is_read_on_one_line_and_not_for_ever() -> None:
    assert unfolded(b" from\n\ta\xe4  b\0") == "from a\xe4 b\0"
    assert len(unfolded(b"a" * 10**6)) == 1024


@given(
    st.lists(st.sampled_from("from ,by ,(,),[,],192.0.2.1,::1,@,helo=,HELO , id x123, with ESMTPSA,\0,<,>,;, ".split(","))).map(
        "".join
    )
)
def test_no_line_breaks_the_form_of_relays(line: str) -> None:
    found = hop("from " + line)
    if isinstance(found, Relay):
        for value in (found.ip, found.rdns, found.helo, found.by, found.ident, found.envfrom):
            assert not set(value) & set("[] \t\n<>\0")
