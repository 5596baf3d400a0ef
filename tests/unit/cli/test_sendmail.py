"""sendmail(1): what its options come to, in a maildrop that nobody looks into."""

import io
from pathlib import Path
from typing import Any

import pytest

from gatepost.cli import sendmail
from gatepost.cli.command import Command, Fatal
from gatepost.cli.sendmail_options import Asked, asked, scan
from gatepost.cli.sendmail_submit import submit
from gatepost.receive import maildrop


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "main.cf").write_text(
        f"queue_directory = {tmp_path}\nmaillog_file = {tmp_path}/log\nmaillog_file_prefixes = {tmp_path}\n"
    )
    (tmp_path / "master.cf").write_text("")
    (tmp_path / "maildrop").mkdir()
    return Command("sendmail", directory=str(tmp_path))


def options(command: Command, *words: str) -> Asked:
    return asked(command, *scan(words), "m")


def left(command: Command, *words: str) -> dict[str, Any]:
    submit(command, options(command, *words), io.BytesIO(b"Subject: x\n\nx\n"))
    (path,) = maildrop.waiting(command.queue_directory / "maildrop")
    with maildrop.opened(path) as waiting:
        submission = waiting.submission
    path.unlink()
    return {name: getattr(submission, name) for name in ("envid", "verp", "trace")}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("-V", "envid"), {"envid": "envid", "verp": "", "trace": ""}),
        (("-XV",), {"envid": "", "verp": "+=", "trace": ""}),
        (("-XV-=",), {"envid": "", "verp": "-=", "trace": ""}),
        (("-V-=",), {"envid": "", "verp": "-=", "trace": ""}),
        (("-v",), {"envid": "", "verp": "", "trace": "deliver"}),
        (("-o", "", "-N", "", "-R", "", "-B", "8bitmime"), {"envid": "", "verp": "", "trace": ""}),
        (("-v", "-v"), {"envid": "", "verp": "", "trace": ""}),
        (("-bv",), {"envid": "", "verp": "", "trace": "verify"}),
    ],
)
def test_what_a_submission_asks_for(command: Command, words: tuple[str, ...], found: dict[str, str]) -> None:
    assert left(command, *words, "-f", "a@b.test", "x@b.test") == found


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-XV", "-f", "", "x@b.test"), "(0): -V option requires non-null sender address"),
        (("-XV+", "-f", "a", "x@b.test"), "-V requires two characters from -=+"),
        (("-f", "a@b.test"), "a@b.test(0): Recipient addresses must be specified on the command line or via the -t option"),
        (("-b", "", "x@b.test"), "unsupported: -b"),
        (("-X", "", "x@b.test"), "unsupported: -X"),
        (("-bv", "-v", "x@b.test"), "-v option cannot be used with -bv"),
    ],
)
def test_what_cannot_be(command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], complaint: str) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    with pytest.raises(Fatal) as failure:
        submit(command, options(command, *words), io.BytesIO(b""))
    assert str(failure.value) == complaint


@pytest.mark.parametrize("option", ["-bh", "-bH"])
def test_what_is_not_there_is_asked_for_in_vain(option: str) -> None:
    assert sendmail.main(["sendmail", option]) == 0


def test_newaliases_is_sendmail_under_another_name(command: Command, tmp_path: Path) -> None:
    configuration = tmp_path / "main.cf"
    configuration.write_text(configuration.read_text() + f"alias_database = hash:{tmp_path}/one\n")
    for name in ("one", "two"):
        (tmp_path / name).write_text("a: b\n")
    assert sendmail.main(["newaliases", "-C", str(tmp_path), "-x"]) == 0
    assert not (tmp_path / "two.lmdb").exists() and (tmp_path / "one.lmdb").exists()
    assert sendmail.main(["newaliases", "-C", str(tmp_path), f"-oAhash:{tmp_path}/two"]) == 0
    assert (tmp_path / "two.lmdb").exists()
    assert sendmail.main(["newaliases", "-C", str(tmp_path), "somebody"]) == 75


def test_the_configuration_is_named_by_its_directory_or_its_main_cf(command: Command, tmp_path: Path) -> None:
    """sendmail(1), -C: seen at Postfix 3.7.11."""
    (tmp_path / "main.cf").write_text((tmp_path / "main.cf").read_text() + f"alias_database = hash:{tmp_path}/one\n")
    (tmp_path / "one").write_text("a: b\n")
    for named in (tmp_path, tmp_path / "main.cf"):
        assert sendmail.main(["newaliases", "-C", str(named)]) == 0
        (tmp_path / "one.lmdb").unlink()
