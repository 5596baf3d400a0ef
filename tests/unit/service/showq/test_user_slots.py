"""Slots by user: who is served, who waits, who is turned away."""

from gatepost.service.showq.user_slots import UserSlots

ALICE, BOB, CAROL = 1, 2, 3


def served(slots: UserSlots[str]) -> list[str]:
    found = []
    while (starting := slots.start()) is not None:
        found.append(starting[1])
    return found


def test_a_user_takes_no_slot_from_others() -> None:
    slots: UserSlots[str] = UserSlots(at_once=10, of_one=2, in_line=20, waiting=100)
    for number in range(20):
        assert slots.arrive(ALICE, f"alice {number}")
    assert served(slots) == ["alice 0", "alice 1"]
    assert slots.arrive(BOB, "bob")
    assert served(slots) == ["bob"]
    slots.end(ALICE)
    assert served(slots) == ["alice 2"]


def test_a_line_has_an_end() -> None:
    slots: UserSlots[str] = UserSlots(at_once=1, of_one=1, in_line=2, waiting=3)
    assert [slots.arrive(ALICE, "a") for _ in range(3)] == [True, True, False]
    assert [slots.arrive(BOB, "b") for _ in range(2)] == [True, False]
    assert not slots.arrive(CAROL, "c")
    assert list(slots.waiting()) == ["a", "a", "b"]


def test_users_take_turns() -> None:
    slots: UserSlots[str] = UserSlots(at_once=1, of_one=1, in_line=9, waiting=99)
    for request in ("a1", "a2", "a3"):
        slots.arrive(ALICE, request)
    slots.arrive(BOB, "b1")
    order = []
    while (starting := slots.start()) is not None:
        uid, request = starting
        order.append(request)
        slots.end(uid)
    assert order == ["a1", "b1", "a2", "a3"]


def test_nothing_is_kept_of_users_who_are_gone() -> None:
    slots: UserSlots[str] = UserSlots(at_once=1, of_one=1, in_line=0, waiting=9)
    for uid in range(1000):
        assert not slots.arrive(uid, "x")
    assert not slots._lines
    slots = UserSlots(at_once=1, of_one=1, in_line=1, waiting=9)
    for uid in range(1000):
        slots.arrive(uid, "x")
        slots.start()
        slots.end(uid)
    assert not slots._lines
    assert not slots._served
