"""What becomes of a message: tables of what was found, who gets it, and what is to be done with it."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.verdict import Category, Contents, Destiny, Levels, RecipientPolicy, Verdict, judge

C, D = Category, Destiny
CLEAN, SPAMMY, SPAM = Contents(), Contents(score=7.0), Contents(score=9.0)
VIRUS, BANNED = Contents(viruses=("Eicar",)), Contents(banned=("setup.exe",))
UNCHECKED, BROKEN = Contents(unchecked=("encrypted: a.zip",)), Contents(bad_header=("two Dates",))
LEVELS = Levels(2.0, 6.31, 8.0)
ANNA = RecipientPolicy("anna@x.example", LEVELS)
BERTA = RecipientPolicy("berta@x.example", LEVELS)
LOVER = RecipientPolicy("lover@x.example", LEVELS, lover=frozenset((C.SPAM, C.VIRUS)))
BLIND = RecipientPolicy("blind@x.example", LEVELS, bypass=frozenset((C.SPAM, C.VIRUS, C.BANNED, C.BAD_HEADER)))
FAR = RecipientPolicy("far@y.example", LEVELS, local=False)
REJECTING = {C.SPAM: D.REJECT, C.VIRUS: D.REJECT, C.BANNED: D.REJECT}


def verdict(
    contents: Contents, *who: RecipientPolicy, destinies: Mapping[Category, Destiny] = REJECTING, waits: bool = True
) -> Verdict:
    return judge(contents, who or (ANNA,), destinies, waits=waits)


def fates(of: Verdict) -> Sequence[Destiny]:
    return [ruling.destiny for ruling in of.rulings]


@pytest.mark.parametrize(
    ("contents", "category", "destiny"),
    [
        (CLEAN, C.CLEAN, D.PASS),
        (Contents(score=6.30), C.CLEAN, D.PASS),
        (Contents(score=6.31), C.SPAMMY, D.PASS),
        (Contents(score=8.0), C.SPAM, D.REJECT),
        (Contents(score=99.0, scanned=False), C.CLEAN, D.PASS),
        (VIRUS, C.VIRUS, D.REJECT),
        (BANNED, C.BANNED, D.REJECT),
        (UNCHECKED, C.UNCHECKED, D.PASS),
        (BROKEN, C.BAD_HEADER, D.PASS),
        (Contents(score=9.0, viruses=("Eicar",)), C.VIRUS, D.REJECT),
        # What is worse but passes does not hide what is stopped.
        (Contents(score=9.0, unchecked=("encrypted",)), C.SPAM, D.REJECT),
        (Contents(score=7.0, unchecked=("encrypted",)), C.UNCHECKED, D.PASS),
    ],
)
def test_the_worst_that_is_stopped_decides(contents: Contents, category: Category, destiny: Destiny) -> None:
    found = verdict(contents)
    assert (found.category, found.destiny) == (category, destiny)


@pytest.mark.parametrize("destiny", list(Destiny))
def test_each_category_has_the_destiny_that_it_is_given(destiny: Destiny) -> None:
    for contents, category in (
        (SPAM, C.SPAM),
        (VIRUS, C.VIRUS),
        (BANNED, C.BANNED),
        (UNCHECKED, C.UNCHECKED),
        (BROKEN, C.BAD_HEADER),
    ):
        assert verdict(contents, destinies={category: destiny}).destiny is destiny


@pytest.mark.parametrize(
    ("contents", "who", "expected"),
    [
        (SPAM, (ANNA, BERTA), [D.REJECT, D.REJECT]),
        (SPAM, (ANNA, LOVER), [D.QUARANTINE, D.PASS]),
        (SPAM, (ANNA, BLIND), [D.QUARANTINE, D.PASS]),
        (SPAM, (LOVER, BLIND), [D.PASS, D.PASS]),
        (VIRUS, (LOVER, ANNA, BERTA), [D.PASS, D.QUARANTINE, D.QUARANTINE]),
        (BANNED, (LOVER, ANNA), [D.REJECT, D.REJECT]),
        (BANNED, (BLIND, ANNA), [D.PASS, D.QUARANTINE]),
        (CLEAN, (ANNA, LOVER, BLIND, FAR), [D.PASS] * 4),
        (UNCHECKED, (ANNA, BLIND), [D.PASS, D.PASS]),
    ],
)
def test_recipients_who_differ(contents: Contents, who: tuple[RecipientPolicy, ...], expected: list[Destiny]) -> None:
    assert fates(verdict(contents, *who)) == expected


def test_who_wants_it_thrown_away_hears_nothing_of_others() -> None:
    thrown = {C.SPAM: D.DISCARD}
    assert fates(verdict(SPAM, ANNA, LOVER, destinies=thrown)) == [D.DISCARD, D.PASS]
    assert verdict(SPAM, ANNA, LOVER, destinies=thrown).destiny is D.PASS
    assert verdict(SPAM, ANNA, BERTA, destinies=thrown).destiny is D.DISCARD


def test_categories_of_recipients_may_differ() -> None:
    both = Contents(score=9.0, viruses=("Eicar",))
    found = verdict(both, LOVER, ANNA, destinies={C.SPAM: D.DISCARD, C.VIRUS: D.QUARANTINE})
    assert [(ruling.category, ruling.destiny) for ruling in found.rulings] == [(C.VIRUS, D.PASS), (C.VIRUS, D.QUARANTINE)]
    strict = RecipientPolicy("strict@x.example", Levels(0.0, 1.0, 1.0))
    found = verdict(Contents(score=3.0), ANNA, strict)
    assert [(ruling.category, ruling.destiny) for ruling in found.rulings] == [(C.CLEAN, D.PASS), (C.SPAM, D.QUARANTINE)]


@pytest.mark.parametrize(
    ("contents", "wanted", "becomes"),
    [
        (SPAM, D.REJECT, D.QUARANTINE),
        (SPAM, D.BOUNCE, D.QUARANTINE),
        (VIRUS, D.REJECT, D.QUARANTINE),
        (VIRUS, D.BOUNCE, D.QUARANTINE),
        (BANNED, D.REJECT, D.QUARANTINE),
        (BANNED, D.BOUNCE, D.BOUNCE),
        (BROKEN, D.BOUNCE, D.BOUNCE),
        (SPAM, D.DISCARD, D.DISCARD),
        (VIRUS, D.PASS, D.PASS),
    ],
)
def test_nobody_is_written_to_for_spam_or_a_virus(contents: Contents, wanted: Destiny, becomes: Destiny) -> None:
    assert verdict(contents, destinies=dict.fromkeys(Category, wanted), waits=False).destiny is becomes


@pytest.mark.parametrize(
    ("score", "who", "tagged", "spam"),
    [
        (1.99, ANNA, False, False),
        (2.0, ANNA, True, False),
        (6.31, ANNA, True, True),
        (9.0, LOVER, True, True),
        (9.0, BLIND, False, False),
        (7.0, FAR, False, False),
    ],
)
def test_who_sees_the_score(score: float, who: RecipientPolicy, tagged: bool, spam: bool) -> None:
    ruling = verdict(Contents(score=score), who).rulings[0]
    assert (ruling.tagged, ruling.shows(C.SPAMMY)) == (tagged, spam)


POLICIES = st.builds(
    RecipientPolicy,
    st.just("a@x.example"),
    st.builds(Levels, st.floats(-10, 10), st.floats(-10, 10), st.floats(-10, 10)),
    st.frozensets(st.sampled_from(Category)),
    st.frozensets(st.sampled_from(Category)),
    st.booleans(),
)
CONTENTS = st.builds(
    Contents,
    st.floats(-20, 20),
    viruses=st.sampled_from([(), ("Eicar",)]),
    banned=st.sampled_from([(), ("a.exe",)]),
    unchecked=st.sampled_from([(), ("encrypted",)]),
    bad_header=st.sampled_from([(), ("two Dates",)]),
    scanned=st.booleans(),
)


@given(
    CONTENTS,
    st.lists(POLICIES, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(Category), st.sampled_from(Destiny)),
    st.booleans(),
)
def test_a_message_is_refused_for_all_or_for_none(
    contents: Contents, who: list[RecipientPolicy], destinies: dict[Category, Destiny], waits: bool
) -> None:
    found = judge(contents, who, destinies, waits=waits)
    refused = {D.REJECT, D.BOUNCE}
    if found.destiny not in refused:
        assert not refused & set(fates(found))
    else:
        assert not {D.PASS, D.QUARANTINE} & set(fates(found))
    assert found.destiny in fates(found)
    assert len(found.rulings) == len(who)
