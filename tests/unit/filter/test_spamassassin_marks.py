"""Marks and reports as SpamAssassin 4.0.1 writes them (`report_safe 0`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.spamassassin_marks import Hit, Scored, marked, report, split

HAM = Scored(-0.001, 5.0, (Hit("MSGID_SHORT", 0.0), Hit("NO_RECEIVED", -0.0), Hit("NO_RELAYS", -0.0)), "vm", "4.0.1")
SPAM = Scored(
    1000.0, 5.0, (Hit("GTUBE", 1000.0, "body", "Generic Test"), Hit("ODD", -0.1, "header", "n\xf6\r\nX: y")), "vm", "4.0.1"
)


def test_marks_stand_below_the_envelope() -> None:
    said = marked(b"From a@example.com now\nReturn-Path: <a@example.com>\n (x)\nSubject: x\n\n", HAM).decode()
    assert said == (
        "From a@example.com now\nReturn-Path: <a@example.com>\n (x)\nX-Spam-Checker-Version: Gatepost 4.0.1 on vm\nX-Spam-Level: \n"
        "X-Spam-Status: No, score=-0.0 required=5.0 tests=MSGID_SHORT,NO_RECEIVED,\n\tNO_RELAYS autolearn=no autolearn_force=no"
        " version=4.0.1\nSubject: x\n\n"
    )


def test_spam_has_a_report() -> None:
    said = marked(b"\n", SPAM).decode()
    assert f"X-Spam-Flag: YES\nX-Spam-Level: {'*' * 50}\nX-Spam-Status: Yes, score=1000.0 " in said
    assert said.endswith("\nX-Spam-Report: \n\t* 1000 GTUBE BODY: Generic Test\n\t* -0.1 ODD n???X: y\n\n")


def test_nothing_may_have_hit() -> None:
    assert b" tests=none " in marked(b"\n", Scored(0.0, 5.0, (), "vm", "1"))


def test_a_message_in_cr_lf_stays_so() -> None:
    said = marked(b"Subject: x\r\n\r\n", SPAM)
    assert said.count(b"\n") == said.count(b"\r\n") > 5


@pytest.mark.parametrize(
    "forged",
    [b"X-Spam-Flag: NO\n", b"x-SPAM-Status: No,\n\tscore=0\n  x\n", b"X-Spam-A: 1\nX-Spam-B: 2\n", b"X-Spam-Flag : NO\r\n"],
)
def test_forged_marks_go(forged: bytes) -> None:
    for head in (forged + b"A: b\n\n", b"A: b\n" + forged + b"\n"):
        assert marked(head, HAM).endswith(b"A: b\n\n")
        assert forged not in marked(head, HAM)
    assert marked(b"A: b\n" + forged.rstrip(), HAM).endswith(b"A: b\n")


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"X-Spam-A: b", b"A: b", b" ", b"\t", b"From ", b"x"])).map(b"".join))
def test_no_octet_is_lost(message: bytes) -> None:
    head, body = split(message)
    assert head + body == message
    again = marked(marked(head, HAM), HAM)
    assert again.count(b"X-Spam-Level: ") == 1


def test_a_report() -> None:
    lines = report(SPAM).decode().split("\n")
    assert lines[0] == 'Spam detection software, running on the system "vm",'
    assert "Content analysis details:   (1000.0 points, 5.0 required)" in lines
    assert "1000 GTUBE                  BODY: Generic Test" in lines
