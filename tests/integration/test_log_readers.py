"""Debian's pflogsumm and mailgraph read a day of our log, and count what happened."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.events.maillog import Stamp, words
from gatepost.events.records import Accepted
from tests.integration.day_of_mail import CLIENT, DAY, Day

SECONDS_PER_DAY = 86_400


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def day(utc: None) -> Day:
    return Day(sessions=800)


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout


def test_pflogsumm_counts_what_happened(day: Day, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(day.lines())
    report = run("/usr/sbin/pflogsumm", str(log))
    totals = report.partition("Grand Totals")[2].partition("Per-Hour")[0]
    counted = {name: int(number) for number, name in re.findall(r"(?m)^ +(\d+)   ([a-z ]*[a-z])(?: +\(.*)?$", totals)}
    assert {name: counted[name] for name in day.count} == dict(day.count)
    assert counted["forwarded"] == 0
    for direction, octets in day.bytes.items():
        assert f"{octets // 1024}k  bytes {direction}" in totals


def test_mailgraph_counts_what_happened(day: Day, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    # mailgraph loses the minute in which a log begins, and keeps back the one in which it ends.
    log.write_text(neighbour(DAY - 600) + day.lines() + neighbour(DAY + SECONDS_PER_DAY + 600))
    run("/usr/sbin/mailgraph", "--cat", f"--logfile={log}", "--year=2025", f"--daemon-rrd={tmp_path}")
    by_program = day.by_program
    assert fetched(tmp_path / "mailgraph.rrd") == {
        "sent": by_program["smtp", "sent"],
        "recv": day.count["received"] - by_program["pickup", "received"],
        "bounced": by_program["smtp", "bounced"] + by_program["error", "bounced"],
        "rejected": by_program["smtpd", "reject"] + by_program["cleanup", "reject"],
    }


def neighbour(now: float) -> str:
    """A message of another day."""
    event = Accepted("smtpd", "4ZC9jz6WvCz1", CLIENT)
    return f"{Stamp('mail').at(now)} postfix/smtpd[1]: {words(event)}\n"


def fetched(rrd: Path) -> dict[str, int]:
    """Totals of the day from averages a second."""
    step = 480
    start, end = int(DAY), int(DAY) + SECONDS_PER_DAY
    output = run("rrdtool", "fetch", str(rrd), "AVERAGE", "-r", str(step), "-s", str(start), "-e", str(end - step))
    names, _, *rows = output.splitlines()
    sums = dict.fromkeys(names.split(), 0.0)
    for row in rows:
        for name, value in zip(sums, row.partition(":")[2].split(), strict=True):
            sums[name] += float(value) * step
    return {name: round(total) for name, total in sums.items()}
