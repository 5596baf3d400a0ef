"""postfix logrotate while mail comes in: every line is in one of the two files."""

import gzip

from tests.support.running import System
from tests.support.sink import Sink


def test_no_line_is_lost() -> None:
    with Sink() as sink, System(relay=sink.port) as gatepost:
        assert gatepost.send(to="before@example.net")
        gatepost.logged("to=<before@example.net>", "status=sent")
        rotated = gatepost.command("postfix", "logrotate")
        assert (rotated.returncode, rotated.stderr) == (0, "")
        assert gatepost.send(to="after@example.net")
        gatepost.logged("to=<after@example.net>", "status=sent")
        (old,) = gatepost.folder.glob("mail.log.*")
        assert old.suffix == ".gz"
        text = gzip.open(old, "rt").read()
        assert text.count("<before@example.net>") == 1
        assert "after@example.net" not in text
        assert "before@example.net" not in gatepost.log()
