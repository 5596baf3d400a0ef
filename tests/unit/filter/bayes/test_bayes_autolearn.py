"""What is learned without anybody's word (Mail::SpamAssassin::Plugin::AutoLearnThreshold(3pm))."""

import pytest

from gatepost.filter.bayes.autolearn import Kind, Points, Thresholds, learned_as

HEADER, BODY = Points(7, header=True), Points(7, body=True)


@pytest.mark.parametrize(
    ("rules", "bayes", "kind"),
    [
        ([], None, Kind.HAM),
        ([Points(0.1, body=True)], None, None),
        ([HEADER, BODY], None, Kind.SPAM),
        ([Points(14, header=True)], None, None),  # nothing of the body
        ([Points(14, frozenset(("autolearn_body",)), header=True)], None, Kind.SPAM),
        ([Points(6, frozenset(("autolearn_force",)))], None, Kind.SPAM),
        ([Points(9), Points(-9, frozenset(("userconf",)))], None, None),
        ([Points(20, frozenset(("learn",)), body=True)], None, Kind.HAM),
        ([HEADER, BODY], 0.001, None),  # Bayes is sure that it is ham
        ([], 0.999, None),
    ],
)
def test_what_is_learned(rules: list[Points], bayes: float | None, kind: Kind | None) -> None:
    assert learned_as(rules, Thresholds(), bayes) is kind


def test_only_what_bayes_does_not_know_yet() -> None:
    assert learned_as([], Thresholds(on_error=True), 0.001) is None
    assert learned_as([], Thresholds(on_error=True), 0.4) is Kind.HAM
