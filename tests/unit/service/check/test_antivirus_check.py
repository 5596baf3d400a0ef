"""What `gatepost check` finds in virus scanning, and in ClamAV's own files."""

import getpass
import os
import time
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.service.check.antivirus import check_antivirus

USER = "nobody" if os.getuid() == 0 else getpass.getuser()
GOOD = "LocalSocket {dir}/run/clamd.ctl\nUser {user}\nDatabaseDirectory {dir}\nStreamMaxLength 25M\nAlertExceedsMax yes\n"


def faults(path: Path, conf: str = GOOD, **settings: str) -> list[str]:
    (path / "clamd.conf").write_text(conf.format(dir=path, user=USER))
    usual = {"filter_virus_scanner": "unix:/run/clamav/clamd.ctl", "filter_clamd_config_file": f"{path}/clamd.conf"}
    return [fault.text for fault in check_antivirus(CONFIGURATION.with_settings({**usual, **settings}))]


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    (tmp_path / "own.ndb").write_text("x")
    return tmp_path


def test_nothing_is_wrong(signed: Path) -> None:
    assert faults(signed) == []
    assert not (signed / "run").exists(), "who checks changes nothing"


@pytest.mark.parametrize(
    ("conf", "settings", "text"),
    [
        (GOOD, {"filter_virus_scanner": "clamd:/x"}, "no socket: clamd:/x"),
        (GOOD, {"filter_virus_scanner": "inet:127.0.0.1:nothing"}, "unknown service"),
        (GOOD, {"filter_virus_time_limit": "60s"}, "filter_time_limit is over before"),
        (GOOD, {"filter_clamd_config_file": "/nowhere"}, "/nowhere: No such file"),
        (GOOD, {"message_size_limit": "30000000"}, "StreamMaxLength 26214400: larger messages are taken"),
        (GOOD, {"message_size_limit": "0"}, "StreamMaxLength 26214400: larger messages are taken"),
        (GOOD.replace("yes", "no"), {}, "AlertExceedsMax is off"),
        (GOOD.replace("{user}", "nobody-at-all"), {"filter_supervise": "clamd"}, "there is no user nobody-at-all"),
        (GOOD, {"filter_supervise": "freshclam", "filter_freshclam_config_file": "/nowhere"}, "/nowhere: No such file"),
    ],
)
def test_what_is_wrong(signed: Path, conf: str, settings: dict[str, str], text: str) -> None:
    assert any(text in fault for fault in faults(signed, conf, **settings))


def test_old_signatures(signed: Path) -> None:
    os.utime(signed / "own.ndb", (time.time() - 10 * 86400,) * 2)
    assert faults(signed) == ["the virus signatures are 10 days old"]
    assert faults(signed, filter_virus_database_age="11d") == []


def test_no_signatures(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["there are no virus signatures"]


def test_files_of_another_machine_are_not_looked_at(tmp_path: Path) -> None:
    assert faults(tmp_path, filter_virus_scanner="inet:192.0.2.1:3310", filter_clamd_config_file="/nowhere") == []
    assert faults(tmp_path, filter_virus_scanner="", filter_clamd_config_file="/nowhere") == []
