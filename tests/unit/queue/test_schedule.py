"""The scheduler's decisions, as tables."""

import pytest
from tests.support.settings import default, transport_limits

from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queued import QueuedRecipient
from gatepost.queue.schedule import Window, feedback, is_expired, is_late, next_attempt, split, with_verp
from gatepost.queue.settings import QueueSettings

SETTINGS = default(QueueSettings, delay_warning_time=3600, bounce_queue_lifetime=1000, queue_run_delay=1)
ARRIVAL = 1_800_000_000.0


@pytest.mark.parametrize(
    ("age", "wait"), [(0, 300), (299, 300), (301, 301), (1000, 1000), (3999, 3999), (4001, 4000), (400_000, 4000)]
)
def test_next_attempt(age: float, wait: float) -> None:
    assert next_attempt(ARRIVAL + age, ARRIVAL, SETTINGS) == ARRIVAL + age + wait


@pytest.mark.parametrize(("age", "due"), [(0, 300), (1, 600), (300, 600), (301, 900)])
def test_next_attempt_waits_for_the_queue_run(age: float, due: float) -> None:
    assert next_attempt(ARRIVAL + age, ARRIVAL, default(QueueSettings)) == ARRIVAL + due


@pytest.mark.parametrize(("sender", "wanted"), [("list@a.test", "list+y+z=b.test@a.test"), ("", "")])
def test_verp(sender: str, wanted: str) -> None:
    assert with_verp(Envelope(sender, verp="+="), Recipient("y+z@b.test")).sender == wanted


@pytest.mark.parametrize(("original", "wanted"), [("x@alias.test", "list+x=alias.test@a.test"), ("x", "list+x@a.test")])
def test_verp_names_the_recipient_as_it_was_given(original: str, wanted: str) -> None:
    assert with_verp(Envelope("list@a.test", verp="+="), Recipient("y@b.test", original)).sender == wanted


@pytest.mark.parametrize(
    ("sender", "age", "expected"), [("a@b.test", 432_000, False), ("a@b.test", 432_001, True), ("", 1000, False), ("", 1001, True)]
)
def test_lifetime(sender: str, age: float, expected: bool) -> None:
    assert is_expired(Envelope(sender), ARRIVAL + age, ARRIVAL, SETTINGS) is expected


@pytest.mark.parametrize(("warned", "age", "expected"), [(False, 3598, False), (False, 3599, True), (True, 3601, False)])
def test_delay_warning(warned: bool, age: float, expected: bool) -> None:
    assert is_late(warned, ARRIVAL + age, ARRIVAL, SETTINGS) is expected
    assert not is_late(False, ARRIVAL + age, ARRIVAL, default(QueueSettings))


@pytest.mark.parametrize(
    ("text", "window", "value"),
    [("1", 5, 1), ("1/concurrency", 5, 0.2), ("2/sqrt_concurrency", 4, 1), ("0.5", 9, 0.5), ("1 / concurrency", 4, 0.25)],
)
def test_feedback(text: str, window: float, value: float) -> None:
    assert feedback(text)(window) == value


@pytest.mark.parametrize("text", ["", "x", "1/squared"])
def test_bad_feedback(text: str) -> None:
    with pytest.raises(ValueError):
        feedback(text)


@pytest.mark.parametrize(("count", "limit", "sizes"), [(5, 2, [2, 2, 1]), (5, 0, [5]), (5, 50, [5]), (0, 2, [])])
def test_split(count: int, limit: int, sizes: list[int]) -> None:
    recipients = [QueuedRecipient(i, Recipient("a@b.test")) for i in range(count)]
    assert [len(part) for part in split(recipients, limit)] == sizes


def test_the_window_opens_while_it_is_used_up_to_its_limit() -> None:
    window = Window(transport_limits(destination_concurrency_limit=8))
    sizes = []
    for _ in range(6):
        window.succeeded(window.size)
        sizes.append(window.size)
    assert sizes == [6, 7, 8, 8, 8, 8]


def test_the_window_does_not_open_when_it_is_not_used() -> None:
    window = Window(transport_limits())
    window.succeeded(0)
    assert window.size == 5


def test_feedback_by_concurrency_needs_a_whole_window_of_successes() -> None:
    window = Window(transport_limits(destination_concurrency_positive_feedback="1/concurrency"))
    sizes = []
    for _ in range(6):
        window.succeeded(5)
        sizes.append(window.size)
    assert sizes == [5, 5, 5, 5, 6, 6]


@pytest.mark.parametrize(("cohorts", "initial", "failures"), [(1, 1, 1), (1, 2, 2), (2, 1, 2), (1, 5, 3)])
def test_a_site_dies_after_as_many_windows_of_failures(cohorts: int, initial: int, failures: int) -> None:
    window = Window(transport_limits(initial_destination_concurrency=initial, destination_concurrency_failed_cohort_limit=cohorts))
    assert [window.failed() for _ in range(failures)] == [False] * (failures - 1) + [True]


def test_a_success_forgives_failures_and_no_limit_never_kills() -> None:
    window = Window(transport_limits(initial_destination_concurrency=2))
    assert not window.failed()
    window.succeeded(1)
    assert not Window(transport_limits(destination_concurrency_failed_cohort_limit=0)).failed()


def test_a_rate_delay_means_one_at_a_time() -> None:
    assert Window(transport_limits(destination_rate_delay=1)).size == 1
