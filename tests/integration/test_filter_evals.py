"""No function that Debian's rules for SpamAssassin name is forgotten."""

from pathlib import Path

from gatepost.filter.evals.registry import EVALS
from gatepost.filter.rules.plugins import OF_EVAL, PLUGINS
from gatepost.filter.rules.reading import read

FOLDERS = (Path("/usr/share/spamassassin"), Path("/etc/spamassassin"))


def test_every_function_of_debians_rules_is_there_or_outside_by_name() -> None:
    """What is outside is a service of others (Pyzor, Razor2, DCC ...) or a plugin that no .pre file of Debian's loads."""
    ruleset = read(FOLDERS)
    called = {rule.call.function for rule in ruleset.rules.values() if rule.call}
    assert len(called) > 80
    outside = {function for function in called if PLUGINS[OF_EVAL[function]].outside}
    assert called - outside - EVALS.keys() == set()
