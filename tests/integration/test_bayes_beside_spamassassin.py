"""Bayes beside the real thing: of the same mail sa-learn and we learn the same tokens, as often, and its dump is taken over."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gatepost.filter.bayes.dump import dump, restore
from gatepost.filter.bayes.learning import teach
from gatepost.filter.bayes.lesson import unpacked
from gatepost.filter.bayes.store import Store, open_store
from gatepost.filter.facts import Request
from gatepost.filter.lessons import Lessons
from gatepost.filter.port import Session

pytestmark = pytest.mark.skipif(shutil.which("sa-learn") is None, reason="no SpamAssassin here")

MAIL = {
    "ham": """\
Return-Path: <anna@example.com>
Received: from mail.example.com (mail.example.com [192.0.2.7]) by mx.example.net (Postfix) with ESMTP id 4XyZ12abcd for
\t<bert@example.net>; Mon, 2 Mar 2026 10:11:12 +0100 (CET)
From: "Anna Bell" <anna@example.com>
To: bert@example.net, Carl <carl@example.org>
Subject: Minutes
Message-ID: <20260302101112.GA1234@mail.example.com>
X-Mailer: Some Mailer 1.2.3
Date: Mon, 2 Mar 2026 10:11:12 +0100
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Dear Bert, the Minutes are at http://wiki.example.com/minutes.html ... please write to anna@example.com.
Die Küchenmaschinenbeschreibung follows.
""".encode(),
    "spam": b"""\
Received: from unknown (HELO pool.example.org) (203.0.113.9) by mx.example.net with SMTP; 3 Mar 2026 01:02:03 -0000
From: WINNER <win1234@shop.example.org>
Subject: You won
To: undisclosed-recipients:;
Content-Type: text/html

<html><body><p>CLICK <a href="http://shop.example.org/buy.php?id=77">here</a> to get CHEAP pills now!!!</p></body></html>
""",
}


def sa_learn(folder: Path, *arguments: str) -> str:
    configuration = ["--dbpath", str(folder / "bayes"), "--cf=bayes_auto_expire 0", "-p", "/dev/null"]
    done = subprocess.run(["sa-learn", *configuration, *arguments], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def counts(text: str) -> set[tuple[str, ...]]:
    """Tokens and how often they were, without when."""
    lines = [line.split("\t") for line in text.splitlines()]
    return {(line[1], line[2], line[4]) for line in lines if line[0] == "t"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sa")
    for kind, message in MAIL.items():
        (folder / kind).write_bytes(message)
        sa_learn(folder, f"--{kind}", str(folder / kind))
    return sa_learn(folder, "--backup")


def taught(folder: Path) -> Store:
    store = open_store(folder)
    lessons = Lessons({}, 0)
    for kind, message in MAIL.items():
        said = lessons.scan(message, Request(Session())).bayes
        assert said is not None
        teach(store, [(unpacked(said.lesson), kind == "spam")])
    return store


def test_the_same_mail_teaches_the_same_tokens(tmp_path: Path, theirs: str) -> None:
    assert counts("".join(dump(taught(tmp_path)))) == counts(theirs)


def test_a_dump_of_theirs_is_taken_over_and_comes_out_as_it_was(tmp_path: Path, theirs: str) -> None:
    store = open_store(tmp_path)
    restore(store, theirs.splitlines(keepends=True))
    assert sorted(dump(store)) == sorted(theirs.splitlines(keepends=True))
