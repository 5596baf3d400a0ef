"""What cannot be run is named with its place."""

from rule_files import ruleset

from gatepost.filter.rules.unrunnable import unrunnable


def test_each_rule_that_cannot_be_run_is_named() -> None:
    rules = ruleset(
        """
        header KNOWN eval:check_for_shifted_date('1', '2')
        header MISSING eval:subject_is_all_caps()
        header UNKNOWN eval:no_such_function()
        header UNLOADED eval:check_freemail_from()
        body NOWHERE eval:check_uridnsbl('NOWHERE')
        body GOOD /x/
        body BAD /(?<=a+)b/
        body OFF /(?<=a+)b/
        score OFF 0
        uri_detail BAD_DETAIL text =~ /(?<=a+)b/
        meta CIRCLE ROUND
        meta ROUND CIRCLE
        meta BELOW OFF_META
        meta OFF_META GOOD
        score OFF_META 0
        """
    )
    found = unrunnable(rules, {"check_for_shifted_date", "check_freemail_from", "check_uridnsbl"})
    assert [(fault.rule, fault.where) for fault in found] == [
        ("MISSING", "/rules/b.cf:3"),
        ("UNKNOWN", "/rules/b.cf:4"),
        ("UNLOADED", "/rules/b.cf:5"),
        ("NOWHERE", "/rules/b.cf:6"),
        ("BAD", "/rules/b.cf:8"),
        ("BAD_DETAIL", "/rules/b.cf:11"),
        ("CIRCLE", "/rules/b.cf:12"),
        ("ROUND", "/rules/b.cf:13"),
    ]
    assert "lookbehind" in next(fault.text for fault in found if fault.rule == "BAD")
