"""What users may ask of the queue, and who may: one request to showq(8) or flush(8), answered.

authorized_mailq_users and authorized_flush_users say who may; the mail system's owner and root always may. Each function here
raises OSError where the client is gone.
"""

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from gatepost.config.configuration import Configuration
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.proto.attributes import END, ProtocolError, Reader, record
from gatepost.queue import actions, flushing, inspect
from gatepost.queue.listing_attributes import as_attributes
from gatepost.queue.user_requests import BAD, FLUSH_PROTOCOL, LONGEST_REQUEST, OK, Refused, refusal
from gatepost.service.user_lists import user_listed, user_name

_FLUSH: Mapping[str, tuple[str, Callable[[Path, str], object]]] = {
    "purge": ("", lambda queue, _: actions.flush(queue)),
    "send_file": ("queue_id", flushing.flush_message),
    "send_site": ("site", flushing.flush_site),
}
"""Requests to flush(8): the attribute that says what, and who does it."""


class Desk:
    """Serves one user."""

    def __init__(self, configuration: Configuration, emit: Emit, uid: int) -> None:
        self._configuration = configuration
        self._emit = emit
        self._uid = uid
        self.queue_directory = Path(configuration.value("queue_directory"))

    def authorize(self, parameter: str, what: str) -> None:
        """Raises Refused where the user is not in the list that `parameter` is."""
        if self._uid in (0, os.getuid()):
            return
        try:
            asyncio.run(self._authorize(parameter, what))
        except LookupFailure as failure:
            self.warn(str(failure))
            raise Refused("mail system configuration error") from None

    async def _authorize(self, parameter: str, what: str) -> None:
        tables = Tables(self.warn, access=ServerAccess(lambda: self._configuration))
        if not await user_listed(self._configuration, parameter, self._uid, tables):
            text = f"User {await user_name(self._uid, tables)}({self._uid}) is not allowed to {what} the mail queue"
            self._emit(Note("postqueue", text, "fatal"))
            raise Refused(text)

    def warn(self, text: str) -> None:
        self._emit(Note("showq", text, "warning"))


def list_queue(desk: Desk, client: socket.socket) -> None:
    """showq(8): the listing, whatever the client may say."""
    try:
        desk.authorize("authorized_mailq_users", "view")
    except Refused as refused:
        client.sendall(refusal(str(refused)))
        return
    unread: list[Path] = []

    def trouble(path: Path, error: Exception) -> None:
        desk.warn(f"{path}: {error}")
        unread.append(path)

    with client.makefile("wb") as answer:
        for piece in as_attributes(inspect.messages(desk.queue_directory, trouble)):
            answer.write(piece)
        if not unread:
            answer.write(END)


def flush(desk: Desk, client: socket.socket) -> None:
    """flush(8): one request."""
    client.sendall(FLUSH_PROTOCOL)
    request = _request(client)
    name, do = _FLUSH.get(request.get("request", ""), ("", None))
    if do is None or (name and name not in request):
        client.sendall(record(("status", BAD)))
        return
    try:
        desk.authorize("authorized_flush_users", "flush")
        do(desk.queue_directory, request.get(name, ""))
    except Refused as refused:
        client.sendall(refusal(str(refused)))
    except sqlite3.Error as error:
        desk.warn(f"{desk.queue_directory}: {error}")
        client.sendall(record(("status", "-1")))
    else:
        client.sendall(record(("status", OK)))


def _request(client: socket.socket) -> dict[str, str]:
    """What the client asks for; nothing where it is no request."""
    reader = Reader(LONGEST_REQUEST)
    try:
        while octets := client.recv(LONGEST_REQUEST):
            for found in reader.feed(octets):
                return dict(found)
    except ProtocolError:
        pass
    return {}
