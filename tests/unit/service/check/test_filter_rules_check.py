"""What `gatepost check` tells of rule files."""

from pathlib import Path

import pytest
from tests.support.settings import HOST

from gatepost.config.faults import Fault
from gatepost.config.loading import load
from gatepost.service.check.filter_rules import MOST, check_filter_rules


def told(folder: Path, text: str, **settings: str) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    rules = folder / "rules"
    rules.mkdir()
    (rules / "local.cf").write_text(text)
    main = {"compatibility_level": "3.6", "filter_before_queue": "yes", "filter_rules_directories": str(rules), **settings}
    (folder / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (folder / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    return check_filter_rules(load(folder, host=HOST))


RULES = "body GOOD /x/\nnonsense\nheader AWAY eval:check_pyzor()\nbody LONG /(?<=a+)b/\n"


def test_bad_lines_and_rules_that_are_not_run(tmp_path: Path) -> None:
    wrong, not_run = told(tmp_path, RULES)
    assert [(fault.line, fault.text) for fault in wrong] == [(2, "nonsense is no setting")]
    assert [fault.place for fault in not_run] == [f"{tmp_path}/rules/local.cf, line 3", f"{tmp_path}/rules/local.cf, line 4"]
    assert not_run[0].text.startswith("AWAY is not run: check_pyzor is of the plugin Pyzor")


@pytest.mark.parametrize("settings", [{"filter_before_queue": "no"}, {"filter_spam_scanner": "spamd:127.0.0.1:783"}])
def test_nothing_is_read_where_nothing_is_filtered(tmp_path: Path, settings: dict[str, str]) -> None:
    assert told(tmp_path, RULES, **settings) == ((), ())


def test_only_so_many_are_told(tmp_path: Path) -> None:
    wrong, _ = told(tmp_path, "nonsense\n" * (MOST + 5))
    assert len(wrong) == MOST + 1
    assert wrong[-1].text == "5 more lines were left out"
