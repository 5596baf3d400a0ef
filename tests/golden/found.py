"""What a case left behind: mailboxes, files, commands' output, what the sinks were sent, and the queue, in the recordings' form."""

import stat
from pathlib import Path
from typing import Any

from gatepost.queue.port import Status
from gatepost.queue.steps import LIVE
from tests.golden.compare import normal
from tests.golden.surroundings import Place, Stubs

_RET_FLAGS = {"FULL": 1, "HDRS": 2}
# Attributes that vary from run to run, which no recording has: ports, and queue ids (Postfix always writes log_ident).
_EPHEMERAL = ("client_port", "log_client_port", "log_ident")


def delivered_files(place: Place, stubs: Stubs, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that was delivered, each as `{"kind", "where", "content"}`, sessions as `{"commands", "messages"}`."""
    found: list[dict[str, Any]] = []
    out = Path(place.names["{OUT}"])
    for root in (place.home, out):
        for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".") and p.suffix != ".lock"):
            found += _file(path, place, out)
    for where, sink in stubs.sinks.items():
        kind = "lmtp" if case["sinks"][where].get("lmtp") else "smtp"
        for session in (s for s in sink.sessions if s["commands"]):  # the recordings have none in which nothing was said
            found.append(
                {
                    "kind": kind,
                    "where": where,
                    "commands": [normal(c) for c in session["commands"]],
                    "messages": _messages(session, place),
                }
            )
    return found


def _messages(session: dict[str, Any], place: Place) -> list[str]:
    return [normal(place.strip(m)) for m in session["messages"]]


def _file(path: Path, place: Place, out: Path) -> list[dict[str, Any]]:
    try:
        text = normal(place.strip(path.read_bytes().decode("latin-1")))
        mode = oct(stat.S_IMODE(path.stat().st_mode))
    except FileNotFoundError:
        return []  # renamed meanwhile
    if path.parent.name in ("new", "cur"):
        return [{"kind": "maildir", "where": place.strip(str(path.parent)), "content": text}]
    if path.parent.name == "tmp":
        return []
    if path.parent == out and path.name.startswith("pipe."):
        return [{"kind": "pipe", "content": text}]
    return [{"kind": "file", "where": place.strip(str(path)), "mode": mode, "content": text}]


def queued(place: Place) -> list[dict[str, Any]]:
    """The queue as the recordings list it, one entry a message."""
    from gatepost.queue import inspect

    queue = Path(place.names["{QUEUE}"])
    found = []
    for listed in inspect.messages(queue):
        stored = inspect.read(queue, listed.id)
        if stored is not None and stored.content is not None:
            found.append(_entry(listed, stored, place))
    return found


def _entry(listed: Any, stored: Any, place: Place) -> dict[str, Any]:
    """A queued message: one on hold stays that, a message not yet tried is `incoming`."""
    envelope = stored.envelope
    records = [["attr", f"{name}={value}"] for name, value in envelope.attributes if name not in _EPHEMERAL]
    for name, value in (("content_filter", envelope.content_filter), ("redirect_to", envelope.redirect)):
        if value:
            records.append([name, place.strip(value)])
    if envelope.envid or envelope.ret:
        asked = [["attr", f"envelope_id={envelope.envid}"], ["attr", f"ret_flags={_RET_FLAGS.get(envelope.ret, '')}"]]
        records[1:1] = [entry for entry in asked if not entry[1].endswith("=")]
    content = stored.content.read().replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")  # as recorded
    if envelope.verp:
        records.append(["verp_delimiters", envelope.verp])
    left = {index for index, status in stored.states.items() if status in (*LIVE, Status.REQUEUED)}
    done = [r for index, r in enumerate(envelope.recipients) if index not in left]
    records += [["done_recipient", r.address] for r in done]
    return {
        "queue": listed.queue,
        "sender": envelope.sender,
        "recipients": [_recipient(r) for index, r in enumerate(envelope.recipients) if index in left],
        "records": records,
        "message": normal(place.strip(content)),
    }


def _recipient(recipient: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"to": recipient.address, "orig": recipient.original}
    if recipient.orcpt:
        entry["dsn_orig_rcpt"] = recipient.orcpt
    if recipient.notify:
        entry["notify_flags"] = int(recipient.notify)
    return entry
