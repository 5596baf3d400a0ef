"""What the learner says of a message: how it is weighed, why, and how much it has to say."""

from pathlib import Path

import pytest
from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.learner.learning import forget, teach
from gatepost.filter.learner.lesson import unpacked
from gatepost.filter.learner.opinion import opinion, share
from gatepost.filter.learner.port import Settings
from gatepost.filter.learner.store import open_weights
from gatepost.filter.port import Text, Uri
from gatepost.filter.teaching import Taught


def message(subject: bytes, text: bytes, link: bytes) -> Message:
    return Message(
        b"From: a@example.com\nSubject: " + subject + b"\n\n" + text,
        Text(visible=(subject, text), uris=(Uri(link, anchors=(b"click here",), kinds=frozenset("a")),)),
        headers={"Subject": subject, "From:addr": b"a@example.com", "From:name": b"A Person"},
    )


SPAM = message(b"Cheap pills", b"Buy our cheap pills now!!!", b"http://203.0.113.9/buy.php?id=1")
HAM = message(b"Re: minutes", b"Attached are the minutes of Monday.", b"https://wiki.example.com/minutes")


def taught(folder: Path, times: int = 1) -> list[Taught]:
    lessons = [(unpacked(opinion(SPAM, None).lesson), True), (unpacked(opinion(HAM, None).lesson), False)]
    return [teach(folder, lessons) for _ in range(times)]


def test_it_says_what_it_was_taught_and_why(tmp_path: Path) -> None:
    taught(tmp_path)
    spam, ham = (opinion(one, open_weights(tmp_path, Settings(labels=1))) for one in (SPAM, HAM))
    assert spam.probability > 0.6 > 0.4 > ham.probability
    assert spam.points > 0 > ham.points
    assert len(spam.tokens) == 10
    assert [abs(one.weight) for one in spam.tokens] == sorted((abs(one.weight) for one in spam.tokens), reverse=True)
    assert all(one.weight > 0 for one in spam.tokens)


def test_without_anything_learned_it_says_nothing() -> None:
    said = opinion(SPAM, None)
    assert (said.probability, said.points, said.rules, said.tokens) == (0.5, 0.0, 1.0, ())


def test_a_message_counts_once_and_a_correction_is_learned(tmp_path: Path) -> None:
    assert taught(tmp_path, 2) == [Taught(learned=2), Taught(known=2)]
    assert teach(tmp_path, [(unpacked(opinion(SPAM, None).lesson), False)]) == Taught(changed=1)
    weights = open_weights(tmp_path)
    assert weights is not None
    assert (weights.now.ham, weights.now.spam) == (2, 0)
    assert forget(tmp_path, [unpacked(opinion(SPAM, None).lesson)]) == 1
    assert (weights.now.ham, weights.now.spam) == (1, 0)


@pytest.mark.parametrize(("labels", "points"), [(0, 0.0), (100, 2.0), (1000, 8.0), (100_000, 8.0)])
def test_it_has_more_to_say_the_more_it_knows_of_both_kinds(labels: int, points: float) -> None:
    assert share(labels, 10 * labels, Settings()) * Settings().points == pytest.approx(points, abs=0.02)


def test_features_say_nothing_of_the_way_that_a_message_came() -> None:
    other = message(b"Cheap pills", b"Buy our cheap pills now!!!", b"http://203.0.113.9/buy.php?id=1")
    other.octets = b"Received: from x by y\nX-Spam-Flag: YES\nList-Id: <l.example>\nTo: b@example.net\n" + other.octets
    assert opinion(other, None).lesson == opinion(SPAM, None).lesson
