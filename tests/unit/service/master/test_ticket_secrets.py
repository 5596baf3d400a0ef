"""The file of ticket secrets: who may read it, what becomes of one that is no good, and what workers see of it."""

import os
from pathlib import Path

import pytest

from gatepost.net.tickets import SECRET
from gatepost.service.master.directories import OWN
from gatepost.service.master.ticket_secrets import NAME, TicketSecrets

AGE = 3600.0


class Place:
    """A queue directory, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / OWN).mkdir(mode=0o755)
        self.file = folder / OWN / NAME
        self.now = 1_000_000.0
        self.warnings: list[str] = []

    def opened(self, max_age: float = AGE) -> TicketSecrets:
        secrets = TicketSecrets(lambda: self.now)
        secrets.open(self.folder, max_age, self.warnings.append)
        return secrets


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_they_outlive_a_restart_and_nobody_else_reads_them(place: Place) -> None:
    before = os.umask(0)
    try:
        first = place.opened().read()
    finally:
        os.umask(before)
    assert place.file.stat().st_mode & 0o777 == 0o600
    assert len(first) == 1 and len(first[0].octets) == SECRET
    place.now += 60
    assert place.opened().read() == first
    assert place.warnings == []
    assert os.listdir(place.folder / OWN) == [NAME]


def test_they_have_an_end(place: Place) -> None:
    secrets = place.opened()
    first = secrets.read()[0]
    for _ in range(200):
        place.now += 60
        secrets.look()
    assert first not in secrets.read()
    assert first.octets.hex() not in place.file.read_text() and place.opened().read() == secrets.read()
    place.now += 10 * AGE
    assert not set(place.opened().read()) & set(secrets.read())


def test_a_child_hears_of_new_ones(place: Place) -> None:
    secrets = place.opened()
    told, tell = os.pipe()
    wait, go_on = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.read(wait, 1)
            os.write(tell, secrets.read()[-1].octets)
        finally:
            os._exit(0)
    place.now += AGE
    secrets.look()
    os.write(go_on, b"\n")
    assert os.read(told, 100) == secrets.read()[-1].octets
    os.waitpid(pid, 0)


def test_what_is_just_being_written_is_not_read(place: Place) -> None:
    secrets = place.opened()
    before = secrets.read()
    secrets._memory[20:30] = b"x" * 10
    assert secrets.read() == before


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b'[{"begins":1e6,"octets":"AAAA"}]', b"[" * 5000])
def test_a_damaged_file_is_replaced_and_named(place: Place, content: bytes) -> None:
    place.file.write_bytes(content)
    place.file.chmod(0o600)
    secrets = place.opened().read()
    (warning,) = place.warnings
    assert str(place.file) in warning and "replaced" in warning
    assert place.opened().read() == secrets and len(place.warnings) == 1


def test_one_that_others_could_have_read_is_replaced(place: Place) -> None:
    first = place.opened().read()
    place.file.chmod(0o640)
    assert not set(place.opened().read()) & set(first)
    assert "others may have read it" in place.warnings[0]
    assert place.file.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(place: Place) -> None:
    (place.folder / "else").write_text("x")
    place.file.symlink_to(place.folder / "else")
    (place.folder / OWN / ".ticket_secrets.new").symlink_to(place.folder / "else")
    assert place.opened().read()
    assert (place.folder / "else").read_text() == "x"
    assert not place.file.is_symlink()


def test_a_file_that_cannot_be_written_costs_the_restart_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    secrets = place.opened()
    assert secrets.read()
    secrets.look()
    assert place.warnings == ["ticket_secrets: No space left on device: TLS sessions are not resumed after a restart"]


def test_a_file_that_could_not_be_written_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there are other secrets."""
    errors = iter([OSError(28, "No space left on device")] * 3 + [OSError(30, "Read-only file system")] * 2)
    rename = os.rename

    def full(*arguments: object, **more: object) -> None:
        if (error := next(errors, None)) is not None:
            raise error
        rename(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", full)
    secrets = place.opened()
    for _ in range(6):
        secrets.look()
    assert [text.split(": ")[1] for text in place.warnings] == ["No space left on device", "Read-only file system"]
    assert place.opened().read() == secrets.read()


def test_half_a_file_is_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """write(2) may take a part of it when the disk is full."""
    first, write = place.opened().read(), os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, octets: write(file, octets[:10]))
        place.now += AGE
        place.opened()
        assert "No space left on device" in place.warnings[0]
    place.now -= AGE
    assert place.opened().read() == first


def test_without_a_folder_of_our_own(tmp_path: Path) -> None:
    warnings: list[str] = []
    secrets = TicketSecrets(lambda: 1e6)
    secrets.open(tmp_path / "none", AGE, warnings.append)
    assert secrets.read() and warnings
