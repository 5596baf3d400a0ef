"""`sendmail -bs`: an SMTP server on standard input and output that leaves what it takes in the maildrop, as smtpd(8) does
stand-alone. The same server core and session as on a port; no restrictions, as whoever runs this may submit mail anyway."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

from gatepost.admission.gates import Gates, Guards
from gatepost.admission.policy_gate import PolicyGate
from gatepost.admission.port import TAKEN, Admitted
from gatepost.cli.command import Command, Fatal
from gatepost.events.records import Emit, tell_fault
from gatepost.mail.content import CHUNK
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.net.dns import AresResolver
from gatepost.policy.port import PERMIT, Facts, Stage, Verdict
from gatepost.receive import maildrop
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.smtpd import SmtpdService
from gatepost.state.anvil import LocalCounters

_IN_MEMORY = 1 << 20  # octets of a message that are kept in memory
_UNIX_LINES = {"smtpd_forbid_bare_newline": "no"}  # programs of this machine may write lines as this machine does
_WRITE_ERROR = Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error", code=451)


def serve(command: Command) -> int:
    """One session on standard input and output; 0. Raises Fatal."""
    from gatepost.config.configuration import ConfigurationError

    try:
        settings = command.configuration.view(SmtpdSettings, _UNIX_LINES)
    except ConfigurationError as error:
        raise Fatal(str(error), logged=False) from None
    asyncio.run(_converse(settings, command.queue_directory / "maildrop", _emitter(command)))
    return 0


def _emitter(command: Command) -> Emit:
    """The mail log where this user may write it, else nothing."""
    from gatepost.service.log import Log

    try:
        log = Log(command.configuration, patience=Log.PATIENCE)
    except OSError:
        return lambda event: None

    def emit(event: object) -> None:
        log.emit(event)  # type: ignore[arg-type]
        log.flush()

    return emit


async def _converse(settings: SmtpdSettings, folder: Path, emit: Emit) -> None:
    service = SmtpdService(
        settings,
        name="smtp",
        gates=Gates((PolicyGate(_Permit()),), tell_fault("smtpd", emit)),
        admission=_IntoMaildrop(folder),
        new_id=lambda: QueueId(time.time_ns() // 1000, 0),
        resolver=AresResolver(time.monotonic),
        counters=LocalCounters(time.time),
        emit=emit,
        clock=time.time,
    )
    ours, theirs = socket.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(service.protocol, ours)
    threading.Thread(target=_pump, args=(lambda: os.read(0, CHUNK), theirs.sendall, theirs), daemon=True).start()
    await asyncio.to_thread(_pump, lambda: theirs.recv(CHUNK), _write_out)


def _pump(read: Callable[[], bytes], write: Callable[[bytes], object], end: socket.socket | None = None) -> None:
    """Copy octets until there are no more; then say so on `end`."""
    try:
        while chunk := read():
            write(chunk)
        if end is not None:
            end.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other side has gone


def _write_out(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


class _Permit:
    """The policy of a user's own server."""

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        facts.unauth_pipelining = True  # as if it had been told already: a script on a pipe waits for nobody
        return PERMIT


class _IntoMaildrop:
    """The Admission port: pickup(8) has the message cleaned up later."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(
        self, queue_id: QueueId, *, client: str, origin_service: str, context: str, in_lines: bool = False, guards: Guards | None
    ) -> "_Intake":
        return _Intake(self._folder)


class _Intake:
    """One message on its way into the maildrop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._content = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 closed by finish() or abort()

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        self._content.write(chunk)

    def abort(self) -> None:
        self._content.close()

    async def admit(self, envelope: Envelope, *, dropped: bool) -> Admitted:
        submission = maildrop.Submission(
            sender=envelope.sender,
            recipients=envelope.recipients,
            encoding=envelope.encoding,
            envid=envelope.envid,
            ret=envelope.ret,
            verp=envelope.verp,
            smtputf8=envelope.smtputf8,
        )
        try:
            maildrop.write(self._folder, submission, self._chunks())
        except OSError:
            return Admitted(_WRITE_ERROR)
        finally:
            self._content.close()
        return TAKEN

    def _chunks(self) -> Iterator[bytes]:
        self._content.seek(0)
        while chunk := self._content.read(CHUNK):
            yield chunk
