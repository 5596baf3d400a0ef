"""What was found out about a client and its message, by type."""

from msgspec import Struct

from gatepost.mail.evidence import MOST_OF_A_TYPE, Evidence, Scope


class Spf(Struct, frozen=True):
    result: str


class Listed(Struct, frozen=True):
    zone: str


def test_facts_are_asked_for_by_type_and_the_latest_counts() -> None:
    evidence = Evidence()
    assert (evidence.get(Spf), evidence.all(Listed)) == (None, ())
    evidence.add(Listed("a.test"), Scope.SESSION)
    evidence.add(Listed("b.test"), Scope.SESSION)
    evidence.add(Spf("none"))
    evidence.add(Spf("pass"))
    evidence.add(Spf("none"))  # again
    assert evidence.get(Spf) == Spf("none")
    assert evidence.all(Spf) == (Spf("pass"), Spf("none"))
    assert evidence.all(Listed) == (Listed("a.test"), Listed("b.test"))
    assert evidence.everything() == (Listed("a.test"), Listed("b.test"), Spf("pass"), Spf("none"))


def test_what_is_true_of_a_message_ends_with_it() -> None:
    evidence = Evidence()
    evidence.add(Spf("neutral"), Scope.SESSION)
    evidence.add(Spf("pass"))
    assert evidence.get(Spf) == Spf("pass")
    evidence.end_message()
    assert evidence.get(Spf) == Spf("neutral")
    evidence.clear()
    assert evidence.everything() == ()


def test_a_session_without_end_stays_small() -> None:
    evidence = Evidence()
    for number in range(3 * MOST_OF_A_TYPE):
        evidence.add(Listed(str(number)))
    assert len(evidence.all(Listed)) == MOST_OF_A_TYPE
    assert evidence.get(Listed) == Listed(str(3 * MOST_OF_A_TYPE - 1))
