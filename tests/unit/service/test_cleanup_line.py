"""cleanup_service_name: which line of master.cf it means."""

from pathlib import Path

import pytest

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.loading import read
from gatepost.service.cleanup_line import cleanup_line

MASTER = """\
cleanup unix n - n - 0 cleanup
strip unix n - n - 0 cleanup
  -o header_checks=static:IGNORE
other unix n - n - - smtp
"""


def configuration(folder: Path, master: str = MASTER) -> Configuration:
    (folder / "main.cf").write_text("")
    (folder / "master.cf").write_text(master)
    return read(folder)


def test_the_usual_one_and_one_that_is_named(tmp_path: Path) -> None:
    usual = cleanup_line(configuration(tmp_path), {})
    named = cleanup_line(configuration(tmp_path), {"cleanup_service_name": "strip"})
    assert usual is not None
    assert usual.name == "cleanup"
    assert named is not None
    assert named.overrides["header_checks"] == "static:IGNORE"


def test_none_is_written(tmp_path: Path) -> None:
    assert cleanup_line(configuration(tmp_path, ""), {}) is None


@pytest.mark.parametrize("name", ["nowhere", "other"])
def test_what_is_no_cleanup(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cleanup_service_name names service {name}"):
        cleanup_line(configuration(tmp_path), {"cleanup_service_name": name})
