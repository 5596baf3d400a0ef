"""Mailboxes on a real file system: what is left behind, and what is refused."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.deliver import safe_path
from gatepost.deliver.mailbox import Arrival, LockRules, Mailbox, MailboxError, deliver_to_maildir
from gatepost.deliver.mbox import deliver_to_mbox

ANOTHER = (65534, 65534)
QUICK = LockRules(attempts=2, delay=0.0)


def box(path: Path | str, limit: int = 0, **more: bool) -> Mailbox:
    return Mailbox(str(path), os.getuid(), os.getgid(), limit, **more)


def refused(path: Path, **more: bool) -> tuple[str, str]:
    """(status code, text) with which a delivery to the mbox `path` fails."""
    with pytest.raises(MailboxError) as caught:
        deliver_to_mbox(box(path), [b"x"], QUICK, time.time, **more)
    return caught.value.enhanced, caught.value.text


def test_mbox_grows_and_its_lock_goes(tmp_path: Path) -> None:
    for piece in (b"one\n", b"two\n"):
        deliver_to_mbox(box(tmp_path / "m"), [piece], QUICK, time.time)
    assert (tmp_path / "m").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["m"]


def test_a_full_mbox_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"12345678")
    with pytest.raises(MailboxError) as caught:
        deliver_to_mbox(box(path, 10), [b"ab", b"cd"], QUICK, time.time)
    assert (caught.value.enhanced, caught.value.text) == ("5.2.2", "error writing message: File too large")
    assert path.read_bytes() == b"12345678"


def test_what_somebody_put_in_the_way(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("")
    (tmp_path / "soft").symlink_to(victim)
    os.link(victim, tmp_path / "hard")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "soft")[0] == "4.2.0"
    assert refused(tmp_path / "hard") == ("5.2.0", "file has 2 hard links")
    assert refused(tmp_path / "pipe")[0] == "5.2.0"
    assert refused(tmp_path / "folder")[0] == "5.2.0"
    assert victim.read_text() == ""


def test_a_program_is_no_mailbox(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    (tmp_path / "run").chmod(0o700)
    assert refused(tmp_path / "run", listed=True) == ("5.7.1", "file is executable")


def test_a_device_only_where_it_is_listed(tmp_path: Path) -> None:
    assert refused(Path("/dev/null")) == ("5.2.0", "destination /dev/null is not a regular file")
    deliver_to_mbox(box(Path("/dev/null"), 1, strict_ownership=False), [b"xyz"], QUICK, time.time, listed=True)


def test_a_lock_of_somebody_else(tmp_path: Path) -> None:
    lock = tmp_path / "m.lock"
    lock.write_text("")
    assert refused(tmp_path / "m")[0] == "4.2.0"
    os.utime(lock, (0, 0))  # left behind long ago
    deliver_to_mbox(box(tmp_path / "m"), [b"x"], QUICK, time.time)
    assert not lock.exists()


def test_maildir_is_made_and_its_files_are_private(tmp_path: Path) -> None:
    deliver_to_maildir(Mailbox(f"{tmp_path}/M/", os.getuid(), os.getgid()), [b"hello\n"], time.time)
    (new,) = (tmp_path / "M" / "new").iterdir()
    assert new.read_bytes() == b"hello\n"
    assert not list((tmp_path / "M" / "tmp").iterdir())


def test_a_maildir_that_is_full_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(MailboxError) as caught:
        deliver_to_maildir(box(f"{tmp_path}/M/", 3), [b"hello\n"], time.time)
    assert caught.value.enhanced == "5.2.2"
    assert not list((tmp_path / "M").rglob("*.*"))


def test_a_message_cut_short_leaves_no_file(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"hel"
        raise EOFError

    with pytest.raises(EOFError):
        deliver_to_maildir(box(f"{tmp_path}/M/"), cut(), time.time)
    assert not list((tmp_path / "M").rglob("*.*"))


def test_no_message_is_shown_before_it_is_synced(tmp_path: Path) -> None:
    arrival = Arrival(box(f"{tmp_path}/M/"), [b"hello\n"], 1.5)
    new = tmp_path / "M" / "new"
    for step in (arrival.write, arrival.sync):
        step()
        assert not list(new.iterdir())
    arrival.show()
    assert len(list(new.iterdir())) == 1
    arrival.close()


def test_what_cannot_be_made_durable_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = Arrival(box(f"{tmp_path}/M/"), [b"hello\n"], 1.5)
    arrival.write()
    arrival.sync()
    arrival.show()

    def broken(descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(MailboxError) as caught:
        arrival.settle()
    arrival.close()
    assert caught.value.enhanced == "4.3.0"
    assert not list((tmp_path / "M").rglob("*.*"))


def test_half_a_message_does_not_stay_in_an_mbox(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"hel"
        raise EOFError

    path = tmp_path / "m"
    path.write_bytes(b"before\n")
    with pytest.raises(EOFError):
        deliver_to_mbox(box(path), cut(), QUICK, time.time)
    assert path.read_bytes() == b"before\n"


def test_what_comes_too_late_is_not_delivered(tmp_path: Path) -> None:
    """Whoever asked has given up and will ask again: it must not arrive twice."""
    past = time.monotonic() - 1
    with pytest.raises(MailboxError):
        deliver_to_maildir(box(f"{tmp_path}/M/"), [b"x"], time.time, past)
    with pytest.raises(MailboxError):
        deliver_to_mbox(box(tmp_path / "m"), [b"x"], QUICK, time.time, until=past)
    assert not list((tmp_path / "M").rglob("*.*"))
    assert (tmp_path / "m").read_bytes() == b""


@pytest.mark.parametrize("link", ["M", "M/new", "M/tmp"])
def test_no_maildir_is_reached_over_a_link_that_root_did_not_make(tmp_path: Path, link: str) -> None:
    real = tmp_path / "real"
    for folder in ("tmp", "new", "cur"):
        (real / folder).mkdir(parents=True)
    (tmp_path / "M").mkdir()
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "M" / folder).mkdir()
    place = tmp_path / link
    subprocess.run(["rm", "-r", str(place)], check=True)
    place.symlink_to(real if link == "M" else real / "new")
    os.lchown(place, *(ANOTHER if os.getuid() == 0 else (os.getuid(), os.getgid())))
    with pytest.raises(MailboxError):
        deliver_to_maildir(box(f"{tmp_path}/M/"), [b"x"], time.time)
    assert not list(real.rglob("*.*"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: else no link is root's")
def test_links_that_root_made_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("../" + tmp_path.name + "/real")
    deliver_to_maildir(box(f"{tmp_path}/home/M/"), [b"x"], time.time)
    deliver_to_mbox(box(tmp_path / "home" / "m"), [b"x"], QUICK, time.time)
    assert len(list((tmp_path / "real" / "M" / "new").iterdir())) == 1
    assert (tmp_path / "real" / "m").read_bytes() == b"x"


def test_where_the_kernel_cannot_refuse_links_a_path_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_path, "_without_links", lambda path: -1)
    deliver_to_maildir(box(f"{tmp_path}/deep/er/M/"), [b"x"], time.time)
    assert len(list((tmp_path / "deep/er/M/new").iterdir())) == 1
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


def test_links_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        safe_path.open_directory(str(tmp_path / "a"))


def test_an_old_lock_that_is_held_is_not_broken(tmp_path: Path) -> None:
    def slow() -> Iterator[bytes]:
        os.utime(tmp_path / "m.lock", (0, 0))
        yield b"one"
        assert refused(tmp_path / "m")[0] == "4.2.0"

    deliver_to_mbox(box(tmp_path / "m"), slow(), LockRules(("dotlock",), 2, 0.0), time.time)
    assert os.listdir(tmp_path) == ["m"]


def test_a_lock_that_somebody_else_took_over_is_left_to_him(tmp_path: Path) -> None:
    lock = tmp_path / "m.lock"

    def slow() -> Iterator[bytes]:
        lock.unlink()
        lock.write_text("theirs")
        yield b"one"

    deliver_to_mbox(box(tmp_path / "m"), slow(), LockRules(("dotlock",), 2, 0.0), time.time)
    assert lock.read_text() == "theirs"
