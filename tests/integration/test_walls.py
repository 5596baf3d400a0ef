"""Inside the walls: what an administrator does to a running system still reaches its workers."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.service.walls import landlock, seccomp
from tests.integration.system import System
from tests.support.running import wait_for


@pytest.fixture
def tables() -> Iterator[Path]:
    """A folder outside the configuration directory, below one that no worker may read for any other reason."""
    folder = Path("/srv") / f"gatepost-test-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _aliases(system: System, folder: Path, target: str) -> None:
    """As an administrator does: edit, then postmap, which puts a new file in the place of the old one."""
    (folder / "virtual").write_text(f"alias@example.test {target}@example.test\n")
    assert system.command("postmap", f"hash:{folder}/virtual").returncode == 0


def _goes_to(system: System, box: str) -> bool:
    system.send(to="alias@example.test")
    return f"to=<{box}@example.test>" in system.log()


@pytest.mark.skipif(not os.access("/srv", os.W_OK), reason="writes below /srv")
def test_a_table_elsewhere_appears_and_changes(tables: Path) -> None:
    with System() as system:
        tables.mkdir()
        _aliases(system, tables, "first")
        system.change(f"virtual_alias_maps = hash:{tables}/virtual")
        system.reload()
        wait_for(lambda: _goes_to(system, "first"), "the table of the reload")
        _aliases(system, tables, "second")
        wait_for(lambda: _goes_to(system, "second"), "the table that postmap made")
        system.change("virtual_alias_maps = texthash:{dir}/later/virtual")
        (system.folder / "later").mkdir()
        (system.folder / "later" / "virtual").write_text("alias@example.test third@example.test\n")
        system.reload()
        wait_for(lambda: _goes_to(system, "third"), "the table whose folder is new")
        assert "denied" not in system.log()


def test_the_log_is_rotated_and_what_a_table_says_is_seen() -> None:
    with System() as system:
        (system.folder / "mail.log").rename(system.folder / "mail.log.1")
        system.reload()
        system.logged("reload -- version")

        def told() -> bool:
            """Workers of before the reload may still take a message, and tell of it in the old file."""
            return system.send("Subject: after\r\n\r\nx\r\n") and "status=sent" in system.log()

        wait_for(told, "a line in the new file")
        system.arrival(b"Subject: after")


def test_every_worker_and_showq_stand_behind_them() -> None:
    with System() as system:
        walled = [pid for pid in system.pids()[:-1] if _status(pid, "Seccomp") == "2" and _status(pid, "NoNewPrivs") == "1"]
        assert len(walled) == len(system.pids()) - 2, "all but the supervisor and the agent"
        assert bool(landlock.version()) != ("the kernel has no Landlock" in system.log())
        assert seccomp.is_there() != ("no libseccomp.so.2" in system.log())


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((value.strip() for key, _, value in (line.partition(":") for line in lines) if key == name), "")
