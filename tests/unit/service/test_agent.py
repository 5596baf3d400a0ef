"""Letters that the agent delivers together: what befalls one is its own affair."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gatepost.deliver.mailbox import Mailbox
from gatepost.deliver.privileged import Done, Failed, Letter
from gatepost.service import agent

EVERYTHING: Any = SimpleNamespace(allow=lambda request: True)
UNHEARD: Any = None


def _letter(path: str) -> Letter:
    return Letter(Mailbox(path, os.getuid(), os.getgid()), b"Subject: x\n\ny\n")


def test_a_path_that_no_file_can_have_fails_alone(tmp_path: Path) -> None:
    letters = [_letter(f"{tmp_path}/anna/"), _letter(f"{tmp_path}/a\0b/"), _letter(f"{tmp_path}/berta/")]
    first, second, third = agent.deliver_together(letters, EVERYTHING, UNHEARD)
    assert (first, third) == (Done(), Done())
    assert isinstance(second, Failed)
    assert second.enhanced == "4.3.0"
    for name in ("anna", "berta"):
        assert len(list((tmp_path / name / "new").iterdir())) == 1
        assert not list((tmp_path / name / "tmp").iterdir())
