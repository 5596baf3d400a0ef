"""What was said in a session, for the notice that the postmaster gets of errors (`notify_classes`), or for the log
(`debug_peer_list`; postconf(5))."""

from collections.abc import Callable
from typing import Final

_MOST_LINES: Final = 200


class Transcript:
    """The latest lines of both sides, a bounded number of them; made into text only when somebody asks."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: list[bytes | str] = []

    def heard(self, line: str) -> None:
        """A command of the client, as others may read it (secrets.py)."""
        if len(self._lines) >= _MOST_LINES:
            del self._lines[: _MOST_LINES // 2]
        self._lines.append(line)

    def said(self, octets: bytes) -> None:
        """A reply of ours, as sent."""
        self._lines.append(octets)

    def text(self, aborted: str) -> str:
        """The notice's text, lines ended by LF. `aborted`: why the session did not end well, if it did not."""
        out = []
        for line in self._lines:
            if isinstance(line, str):
                out.append(f" In:  {line}")
            else:
                out += [f" Out: {part}" for part in line.removesuffix(b"\r\n").decode("utf-8", "surrogateescape").split("\r\n")]
        out.append("")
        if aborted:
            out.append(f"Session aborted, reason: {aborted}")
        return "\n".join(["Transcript of session follows.", "", *out, "", "For other details, see the local mail logfile", ""])


class LoggedTranscript(Transcript):
    """Also tells the log each line, as smtpd(8) does of clients that debug_peer_list names. `kept`: the transcript that there is
    without it; `tell`: writes a line of the log."""

    __slots__ = ("_client", "_kept", "_tell")

    def __init__(self, kept: Transcript, client: str, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._kept = kept
        self._client = client
        self._tell = tell

    def heard(self, line: str) -> None:
        self._kept.heard(line)
        self._tell(f"< {self._client}: {line}")

    def said(self, octets: bytes) -> None:
        self._kept.said(octets)
        for line in octets.decode("utf-8", "surrogateescape").splitlines():
            self._tell(f"> {self._client}: {line}")

    def text(self, aborted: str) -> str:
        return self._kept.text(aborted)


class NoTranscript(Transcript):
    """Where nobody wants notices, nothing is kept."""

    __slots__ = ()

    def heard(self, line: str) -> None: ...

    def said(self, octets: bytes) -> None: ...
