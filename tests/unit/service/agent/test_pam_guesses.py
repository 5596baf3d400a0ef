"""What a taken worker can try through the agent."""

from concurrent.futures import ThreadPoolExecutor

from gatepost.service.agent.pam_guesses import MOST_USERS, PamGuesses


class Site:
    def __init__(self, most: int = 3) -> None:
        self.now = 1000.0
        self.guesses = PamGuesses(most, 3600.0, lambda: self.now)

    def tried(self, *passwords: bytes, user: str = "anna") -> list[bool]:
        return [self.guesses.may_try(user, password) for password in passwords]


def test_so_many_and_no_more() -> None:
    site = Site()
    assert site.tried(b"1", b"2", b"3", b"4", b"5") == [True] * 3 + [False] * 2
    assert site.tried(b"1", user="ANNA") == [True]  # that counts already, and may be right by now
    assert site.tried(b"6", user="Änna") == [False]  # which may be the same user, for a module
    assert site.tried(b"1", user="ben") == [True]
    site.now += 3600.0
    assert site.tried(b"4") == [True]


def test_right_ones_do_not_count() -> None:
    site = Site()
    for number in range(20):
        assert site.tried(b"%d" % number) == [True]
        site.guesses.take_back("anna", b"%d" % number)
    site.guesses.take_back("nobody", b"x")


def test_zero_is_no_limit() -> None:
    assert all(Site(0).tried(*(b"%d" % number for number in range(1000))))


def test_many_at_one_time() -> None:
    site = Site(5)
    with ThreadPoolExecutor(16) as crowd:
        assert sum(crowd.map(lambda number: site.guesses.may_try("anna", b"%d" % number), range(200))) == 5


def test_it_does_not_grow_without_end() -> None:
    site = Site()
    for number in range(3 * MOST_USERS):
        site.tried(b"x", user=f"user{number}")
    assert len(site.guesses._tried) == MOST_USERS
