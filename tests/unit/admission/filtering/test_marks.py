"""What a message that passes is marked with: as amavisd-new 2.13 does it, beside which it was observed, and nothing forged."""

import asyncio

import pytest
from tests.unit.admission.drafts import draft

from gatepost.admission.filtering.marks import MarkSettings, folded, marks, points
from gatepost.filter.verdict import Category, Contents, Destiny, Levels, RecipientPolicy, Scored, judge

SETTINGS = MarkSettings("***SPAM***", "***UNCHECKED***", "Debian amavis at example.com")
HEAD = b"From: a@remote.example\r\nSubject: hello there\r\n"
ANNA = RecipientPolicy("anna@example.com", Levels(2.0, 4.0, 8.0))
FAR = RecipientPolicy("x@other.example", Levels(2.0, 4.0, 8.0), local=False)
BLIND = RecipientPolicy("nospam@example.com", Levels(2.0, 4.0, 8.0), bypass=frozenset((Category.SPAM,)))

TESTS = (
    Scored("EMPTY_MESSAGE", 2.195), Scored("MISSING_DATE", 2.739), Scored("MISSING_FROM", 1.0), Scored("MISSING_HEADERS", 0.915),
    Scored("MISSING_MID", 0.552), Scored("NO_HEADERS_MESSAGE", 0.001), Scored("NO_RECEIVED", -0.001), Scored("NO_RELAYS", -0.001),
    Scored("SUBJ_BUY", 0.594),
)  # fmt: skip
SPAMMY = Contents(score=7.994, tests=TESTS)
REAL = b"""\
X-Virus-Scanned: Debian amavis at example.com
X-Spam-Flag: YES
X-Spam-Score: 7.994
X-Spam-Level: *******
X-Spam-Status: Yes, score=7.994 tagged_above=2 required=4
 tests=[EMPTY_MESSAGE=2.195, MISSING_DATE=2.739, MISSING_FROM=1,
 MISSING_HEADERS=0.915, MISSING_MID=0.552, NO_HEADERS_MESSAGE=0.001,
 NO_RECEIVED=-0.001, NO_RELAYS=-0.001, SUBJ_BUY=0.594]
 autolearn=no autolearn_force=no
""".replace(b"\n", b"\r\n")
"""What the real one has put before such a message."""


def marked(contents: Contents, *who: RecipientPolicy, head: bytes = HEAD, quarantined: str = "") -> bytes:
    verdict = judge(contents, who or (ANNA,), {Category.SPAM: Destiny.QUARANTINE}, waits=True)
    one = draft(head)
    asyncio.run(one.edit(marks(verdict, SETTINGS, quarantined)))
    return one.head


def test_spam_that_passes_is_marked_as_amavis_marks_it() -> None:
    assert marked(SPAMMY) == REAL + HEAD.replace(b"hello", b"***SPAM*** hello")


def test_what_scores_enough_says_so() -> None:
    head = marked(Contents(score=2.701, tests=(Scored("A", 2.702), Scored("B", -0.001))))
    assert b"X-Spam-Flag: NO\r\nX-Spam-Score: 2.701\r\nX-Spam-Level: **\r\nX-Spam-Status: No, score=2.701 tagged_above=2" in head
    assert b"Subject: hello there" in head


@pytest.mark.parametrize("who", [FAR, BLIND])
def test_others_do_not_see_what_it_scored(who: RecipientPolicy) -> None:
    assert marked(SPAMMY, who) == b"X-Virus-Scanned: Debian amavis at example.com\r\n" + HEAD


def test_clean_mail_says_who_has_looked() -> None:
    assert marked(Contents()) == b"X-Virus-Scanned: Debian amavis at example.com\r\n" + HEAD
    assert marked(Contents(virus_scanned=False)) == HEAD


@pytest.mark.parametrize(
    "forged",
    [
        b"X-Spam-Flag: NO\r\n", b"x-spam-status: No,\r\n\tscore=-99\r\n", b"X-SPAM-LEVEL : \r\n", b"X-Spam-Checker-Version: 3\r\n",
        b"X-Virus-Scanned: by me\r\n", b"X-Virus-Status: Clean\r\n", b"X-Quarantine-ID: <x>\r\n", b"X-Amavis-Alert: none\r\n",
    ],
)  # fmt: skip
def test_forged_marks_go(forged: bytes) -> None:
    assert marked(Contents(virus_scanned=False), head=forged + HEAD + forged) == HEAD
    assert marked(SPAMMY, head=forged + HEAD + forged).count(b"\r\nX-Spam-") == 4


@pytest.mark.parametrize("kept", [b"X-Spam: yes\r\n", b"X-Spammer: 1\r\n", b"X-Virus: 1\r\n", b"Authentication-Results: x\r\n"])
def test_other_headers_stay(kept: bytes) -> None:
    assert marked(Contents(virus_scanned=False), head=kept + HEAD) == kept + HEAD


def test_a_virus_that_somebody_wants_is_announced() -> None:
    lover = RecipientPolicy("v@example.com", lover=frozenset((Category.VIRUS,)))
    head = marked(Contents(viruses=("Eicar-Test-Signature",)), lover, quarantined="virus-1")
    assert head.startswith(
        b"X-Quarantine-ID: <virus-1>\r\nX-Virus-Scanned: Debian amavis at example.com\r\n"
        b"X-Amavis-Alert: INFECTED, message contains virus: Eicar-Test-Signature\r\n"
    )


def test_what_nobody_could_look_into_is_marked() -> None:
    head = marked(Contents(unchecked=("encrypted: a.zip",)))
    assert b"X-Amavis-Alert: UNCHECKED, encrypted: a.zip\r\n" in head
    assert b"Subject: ***UNCHECKED*** hello there\r\n" in head


def test_all_subjects_are_tagged_and_one_is_made_where_there_is_none() -> None:
    assert marked(SPAMMY, head=b"Subject: a\r\nSubject: b\r\n").endswith(b"Subject: ***SPAM*** a\r\nSubject: ***SPAM*** b\r\n")
    assert b"Subject: ***SPAM***\r\n" in marked(SPAMMY, head=b"From: a@b\r\n")


@pytest.mark.parametrize(
    ("score", "text"), [(0.0, "0"), (-0.0001, "0"), (5.0, "5"), (1000.0, "1000"), (-0.001, "-0.001"), (6.31, "6.31"), (2.7, "2.7")]
)
def test_points(score: float, text: str) -> None:
    assert points(score) == text


def test_levels_have_an_end() -> None:
    head = marked(Contents(score=1e6), RecipientPolicy("l@example.com", lover=frozenset((Category.SPAM,))))
    assert b"X-Spam-Level: " + b"*" * 64 + b"\r\n" in head


def test_a_line_is_folded_where_words_end() -> None:
    value = folded("X", ["a" * 70, "b" * 10, "c" * 200, "d"])
    assert value == f"{'a' * 70}\n {'b' * 10}\n {'c' * 200}\n d"
