"""Faults of our own: what nobody expected to be raised is told in the mail log, for a daemon's standard error leads nowhere.

A fault is a `panic` line that names the process, the place and what becomes of it, and the trace after it, a line each. What the
system has too little of, such as file descriptors, is an `error` line. One place is told of once a minute.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
from typing import Any

from gatepost.events.records import Note
from gatepost.service.log import Log

STARTED_AGAIN = "the process ends and is started again, nothing acknowledged is lost"
_AGAIN = 60.0  # seconds
_REMEDY = "this is a fault of Gatepost, please report it with the trace that follows"


class Faults:
    """Tells of the faults of one process, `service` in the log. To be made in that process."""

    def __init__(self, log: Log, service: str) -> None:
        self._log = log
        self._service = service
        self._told: dict[str, float] = {}

    def tell(self, fault: BaseException, consequence: str) -> None:
        """Tell of `fault`; `consequence`: what becomes of the process and its work."""
        fault = _only_one(fault)
        kind, place, now = type(fault).__name__, _place(fault), time.monotonic()
        if now - self._told.get(kind + place, -_AGAIN) < _AGAIN:
            return
        self._told[kind + place] = now
        trace = [f"trace: {line}" for block in traceback.format_exception(fault) for line in block.splitlines()]
        self._say("panic", f"{kind}: {fault}{place}: {consequence}; {_REMEDY}", *trace)

    def watch_process(self, *, needs_threads: bool = False) -> None:
        """Tell of what threads and destructors raise. `needs_threads`: a process that has lost one ends, to be started again: the
        committer's, without which nothing would be stored any more."""
        threading.excepthook = lambda args: self._of_thread(args, needs_threads)
        sys.unraisablehook = self._of_destructor

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell of what callbacks and forgotten tasks raise."""
        loop.set_exception_handler(self._of_loop)

    def _of_thread(self, args: threading.ExceptHookArgs, is_needed: bool) -> None:
        name = args.thread.name if args.thread else "unnamed"
        consequence = STARTED_AGAIN if is_needed else "the process goes on"
        self.tell(args.exc_value or args.exc_type(), f"the thread {name} has ended, {consequence}")
        if is_needed:
            self._log.flush()  # what the loop has gathered: nobody else will
            os._exit(1)

    def _of_destructor(self, args: "sys.UnraisableHookArgs") -> None:
        if isinstance(args.exc_value, UnicodeDecodeError) and isinstance(args.object, bytes):
            return  # the ssl module's, of a client whose server name (SNI) is not ASCII: it refuses the handshake, which is told
        self.tell(args.exc_value or RuntimeError(args.err_msg), "the process goes on")

    def _of_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault, message = context.get("exception"), str(context.get("message", ""))
        if fault is None or isinstance(fault, OSError):
            self._say("error", f"{message}: {fault}" if fault else message)
        else:
            self.tell(fault, f"{message}, the process goes on")

    def _say(self, severity: str, *texts: str) -> None:
        log = self._log.apart()  # as it is now: a reload may have opened another file
        for text in texts:
            log.emit(Note(self._service, text, severity))
        log.flush()


def _only_one(fault: BaseException) -> BaseException:
    """What a task group wrapped, where it is only one."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    return fault


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    return f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
