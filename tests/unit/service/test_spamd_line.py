"""What a `spamd` line of master.cf asks for by being there, and what can be wrong with it."""

from pathlib import Path

import pytest
from tests.support.settings import HOST

from gatepost.config.configuration import Configuration
from gatepost.config.loading import load
from gatepost.service.check.filter_rules import check_filter_rules
from gatepost.service.filter_settings import faults_of_filters
from gatepost.service.roles import SCANNER

SMTPD = "smtp inet n - n - - smtpd\n"
SPAMD = "127.0.0.1:783 inet n - n - - spamd\n"


def configured(folder: Path, master: str) -> Configuration:
    (folder / "local.cf").write_text("nonsense\n")
    (folder / "main.cf").write_text(f"compatibility_level = 3.6\nfilter_rules_directories = {folder}\n")
    (folder / "master.cf").write_text(master)
    return load(folder, host=HOST)


@pytest.mark.parametrize(("master", "wanted"), [(SMTPD, False), (SMTPD + SPAMD, True)])
def test_there_are_scanners_and_their_rules_are_checked(tmp_path: Path, master: str, wanted: bool) -> None:
    configuration = configured(tmp_path, master)
    assert SCANNER.is_wanted(configuration) is wanted
    assert bool(check_filter_rules(configuration)[0]) is wanted


def test_a_level_is_a_number(tmp_path: Path) -> None:
    (fault,) = faults_of_filters(configured(tmp_path, f"{SPAMD}  -o filter_tag2_level=much\n"))
    assert fault.text.startswith("filter_tag2_level: ")
    assert faults_of_filters(configured(tmp_path, f"{SPAMD}  -o filter_tag2_level=5.0\n")) == ()
