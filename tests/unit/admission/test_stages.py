"""Gates where a message passes, and a list of stages for each service."""

from pathlib import Path

import pytest
from tests.unit.admission.guards import Scripted
from tests.unit.receive.test_cleanup import Run

from gatepost.admission import stages
from gatepost.admission.edits import AddHeader, AddRecipient, ChangeSender, DeleteHeader, Edit, ReplaceBody
from gatepost.admission.port import FailureAction, Finding, ProtocolStage, Severity, View
from gatepost.mail.envelope import Recipient
from gatepost.mail.outcome import bounced

CONTENT = b"Subject: s\r\nX-Gone: x\r\n\r\nold\r\n"
LARGE = CONTENT + b"x\r\n" * 200_000


class Editor(Scripted):
    """Edits at the end of the message, unless it has another finding. `saw`: the body."""

    def __init__(self, *edits: Edit, finding: Finding | None = None, on_failure: FailureAction = FailureAction.TEMPFAIL) -> None:
        super().__init__("editor", self._edit, stages=[ProtocolStage.END_OF_MESSAGE], time_limit=60.0, on_failure=on_failure)
        self._finding = finding or Finding("editor", edits=edits)
        self.saw = b""

    async def _edit(self, stage: ProtocolStage, view: View) -> Finding:
        assert view.draft is not None
        self.saw = b"".join(view.draft.body())
        return self._finding


@pytest.mark.parametrize("content", [CONTENT, LARGE])
def test_a_gate_edits_what_is_stored(tmp_path: Path, content: bytes) -> None:
    gate = Editor(
        AddHeader(b"X-New", b"n"),
        DeleteHeader(b"X-Gone", 1),
        ReplaceBody(lambda: iter([b"new\r\n"])),
        AddRecipient(Recipient("bob@example.test")),
        ChangeSender("new@client.test"),
    )
    message = Run(tmp_path, gate)(content, step=65536).message
    assert message is not None
    assert gate.saw == content.partition(b"\r\n\r\n")[2]
    assert message.content.read().endswith(b"Subject: s\r\nX-New: n\r\n\r\nnew\r\n")
    assert message.size == len(message.content.read())
    assert message.envelope.sender == "new@client.test"
    assert [one.address for one in message.envelope.recipients] == ["alice@example.test", "bob@example.test"]
    assert len(list(tmp_path.iterdir())) == (content is LARGE)


@pytest.mark.parametrize("content", [CONTENT, LARGE])
def test_a_body_that_cannot_be_leaves_the_old_one_and_no_file(tmp_path: Path, content: bytes) -> None:
    bad = ReplaceBody(lambda: iter([b"a\r\n" * 90_000, b"\n"]))
    message = Run(tmp_path, Editor(bad, on_failure=FailureAction.ACCEPT))(content, step=65536).message
    assert message is not None
    assert message.content.read().endswith(content)
    assert len(list(tmp_path.iterdir())) == (content is LARGE)


def test_a_gate_refuses_holds_and_discards(tmp_path: Path) -> None:
    refused = Run(tmp_path, Editor(finding=Finding("g", Severity.REFUSE, bounced("no"))))(LARGE, step=65536)
    assert (refused.message, refused.outcome) == (None, bounced("no"))
    assert Run(tmp_path, Editor(finding=Finding("g", Severity.DISCARD)))(LARGE, step=65536) == (None, None, None)
    assert not list(tmp_path.iterdir())
    held = Run(tmp_path, Editor(finding=Finding("g", Severity.QUARANTINE, reason="why")))(CONTENT).message
    assert held is not None
    assert held.envelope.hold
    assert held.envelope.attribute("quarantine") == "why"


def test_a_service_without_checks_and_gates_has_no_such_stages(tmp_path: Path) -> None:
    always = (stages.expand, stages.headers, stages.effects, stages.size, stages.store)
    assert Run(tmp_path).cleanup.stages == always
    assert stages.gates in Run(tmp_path, Editor()).cleanup.stages
    checked = {"header_checks": "inline:{{a=b}}"}
    assert stages.checks in Run(tmp_path, **checked).cleanup.stages
    assert Run(tmp_path, receive_override_options="no_header_body_checks", **checked).cleanup.stages == always
