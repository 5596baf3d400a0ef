"""One player per kind of case: play it against a Gatepost of its own, and say what differs (nothing: an empty list)."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.golden import compare, dialogue
from tests.golden.found import delivered_files, queued
from tests.golden.surroundings import OWN, Place, Stubs, System, configure, run_tool

_PATIENCE = 14.0  # seconds for the queue to become quiet
_QUIET = 1.2  # seconds without a new log line are quiet
_SLOW = {"delay_warning_time", "queue_run_delay", "minimal_backoff_time", "anvil_status_update_time"}  # lines come after these


class Stage:
    """A case on stage: its place, its stubs, its running system."""

    def __init__(self, case: dict[str, Any], place: Place, stubs: Stubs, base: Path) -> None:
        self.case, self.place, self.stubs = case, place, stubs
        self.ids: list[str] = []
        configure(place, base, case)
        stubs.set(case, (base / "zone").read_text())

    def log(self) -> list[str]:
        return [self.place.strip(line) for line in compare.read_log(self.place.names["{LOG}"])]

    def quiet(self, done: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Wait until `done`, or until the log has said nothing for a while."""
        path, end = Path(self.place.names["{LOG}"]), time.monotonic() + patience
        slow = any(name in self.case.get("main", {}) for name in _SLOW)
        quiet = 6.0 if slow else _QUIET
        size, since = -1, time.monotonic()
        while time.monotonic() < end:
            now = path.stat().st_size if path.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            if done() or time.monotonic() - since > quiet:
                return
            time.sleep(0.04)

    def log_difference(self) -> list[str]:
        want, got = self.case.get("log", []), self.log()
        if compare.breaks_off(want):
            got = [line for line in got if not compare.after_the_end(line)]
        difference = compare.log_difference(want, got)
        return [f"log: {line}" for line in difference]


def play_smtp(stage: Stage) -> list[str]:
    case = stage.case
    system = System(stage.place, deliver=case.get("mode") == "full")
    alive = system.start()
    try:
        if case.get("fails_to_start"):
            return [] if not alive or stage.log_difference() == [] else stage.log_difference()
        if not alive:
            return [f"did not start: {system.stderr()[-600:]}"]
        failures, texts = dialogue.compare(case, dialogue.play(case, "127.0.0.1", 2525, str(OWN / "base" / "tls")))
        wants = case.get("delivered", [])
        stage.quiet(lambda: not stage.log_difference(), 3.0)
    finally:
        system.stop()
    result = [f"reply: {stage.place.strip(text)}" for text in failures + texts]
    found = [{**entry, "queue": entry["queue"].replace("active", "incoming")} for entry in queued(stage.place)]
    if compare.breaks_off(case.get("log", [])):
        found = [entry for entry in found if not _to_postmaster(entry)]
    result += _differences("queue", wants, found) if case.get("mode") != "full" else []
    if "policy_requests" in case:
        result += _requests(case["policy_requests"], stage.stubs.policy.requests)
    if "auth_requests" in case:
        result += _equal("auth", [str(r) for r in case["auth_requests"]], [str(r) for r in stage.stubs.auth.requests])
    return result + stage.log_difference()


def _to_postmaster(entry: dict[str, Any]) -> bool:
    """A notice about a session (notify_classes)."""
    return entry["sender"].startswith("double-bounce@") and [r["orig"] for r in entry["recipients"]] == ["postmaster"]


_VARIES = {"instance", "queue_id", "client_port", "ccert_fingerprint", "ccert_pubkey_fingerprint", "encryption_cipher", "size"}


def _requests(want: list[dict[str, str]], got: list[dict[str, str]]) -> list[str]:
    def plain(requests: list[dict[str, str]]) -> list[str]:
        return [str(sorted((k, "{VAR}" if k in _VARIES and v else v) for k, v in r.items())) for r in requests]

    return _equal("policy request", plain(want), plain(got))


def _equal(what: str, want: list[str], got: list[str]) -> list[str]:
    return [f"{what}: {line}" for line in compare.multiset_difference(want, got)]


def play_deliver(stage: Stage) -> list[str]:
    case = stage.case
    system = System(stage.place, deliver=True)
    if not system.start():
        system.stop()
        return [f"did not start: {system.stderr()[-600:]}"]
    result: list[str] = []

    def left() -> list[str]:
        found = _differences("delivered", case.get("delivered", []), delivered_files(stage.place, stage.stubs, case))
        found += _differences("queue", case.get("queue_left", []), queued(stage.place))
        return found + stage.log_difference()

    try:
        for number, message in enumerate(case["inject"]):
            if number:
                stage.quiet(lambda: False, 5.0)
            result += _inject(stage, message)
        stage.quiet(lambda: not left())
    finally:
        system.stop()
    return result + left()


def _inject(stage: Stage, message: dict[str, Any]) -> list[str]:
    if message.get("steps"):
        case = {"client": {"addr": message.get("addr")}, "steps": message["steps"]}
        failures, texts = dialogue.compare(case, dialogue.play(case, "127.0.0.1", 2525, str(OWN / "base" / "tls")))
        return [f"reply: {text}" for text in failures + texts]
    if "run" in message:
        return _command(stage, message["run"], message)
    if "argv" in message:
        return _command(stage, ["sendmail", *_after_name(message["argv"])], message)
    return _submit(stage, message)


def _after_name(argv: list[str]) -> list[str]:
    return argv[1:] if argv and argv[0].endswith("sendmail") else argv


def _command(stage: Stage, command: list[str], expected: dict[str, Any]) -> list[str]:
    encoding = "latin-1" if expected.get("latin1") else "utf-8"
    text = expected.get("content", expected.get("stdin", "")).encode(encoding).decode("utf-8", "surrogateescape")
    done = run_tool(
        stage.place,
        [stage.place.fill(_with_ids(word, stage.ids)) for word in command],
        stdin=_with_ids(text, stage.ids),
        uid=expected.get("uid"),
        given=expected.get("env"),
    )
    result = []
    if done.returncode != expected.get("exit", 0):
        result.append(f"{command}: exit {done.returncode}, want {expected.get('exit', 0)}")
    for name, stream in (("stdout", done.stdout), ("stderr", done.stderr)):
        want = expected.get(name, "")
        got = stage.place.strip(stream.decode("utf-8", "replace"))
        got = _numbered(got, stage)
        if expected_differs(stage.case, want, got):
            result.append(f"{command}: {name} {got!r}, want {want!r}")
    return result


def expected_differs(case: dict[str, Any], want: str, got: str) -> bool:
    got, want = compare.listing(compare.normal(got)), compare.listing(compare.wanted(want))
    if case.get("unordered_output"):
        return bool(compare.multiset_difference(want.splitlines(), got.splitlines()))
    if want == got or compare.same(want, got):
        return False
    blocks = [sorted(re.split(r"\n \n|\n\n", text)) for text in (want, got)]  # the order of queue entries means nothing
    return len(blocks[0]) != len(blocks[1]) or not all(compare.same(w, g) for w, g in zip(*blocks, strict=True))


def _with_ids(word: str, ids: list[str]) -> str:
    return re.sub(r"\{Q(\d+)\}", lambda match: ids[int(match[1]) - 1] if int(match[1]) <= len(ids) else match[0], word)


def _numbered(text: str, stage: Stage) -> str:
    for match in compare.QUEUE_ID.findall(text):
        if match not in stage.ids:
            stage.ids.append(match)
    return compare.QUEUE_ID.sub(lambda match: f"{{Q{stage.ids.index(match[0]) + 1}}}", text)


def _submit(stage: Stage, message: dict[str, Any]) -> list[str]:
    """Send a message over SMTP, by the recorded dialogue where there is one."""
    connection = dialogue.Conn("127.0.0.1", 2525, message.get("addr", "127.0.0.1"))
    encoding = "latin-1" if message.get("latin1") else "utf-8"
    content = message["content"].encode(encoding)
    result = []
    try:
        connection.reply(dialogue.TIMEOUT)
        for command, want in message.get("dialogue") or simple_dialogue(message):
            data = stuffed(content) if command == "<message>" else command.encode(encoding) + b"\r\n"
            connection.sock.sendall(data)
            got = connection.replies(max(dialogue.count(want), 1) if want is not None else 1)
            for line in connection_ids(connection):
                stage.ids.append(line)
            if want is not None and sorted(want) != sorted(got):
                result.append(f"reply to {command[:60]!r}: {got}, want {want}")
    except OSError as error:
        result.append(f"reply: {error}")
    finally:
        connection.close()
    return result


def simple_dialogue(message: dict[str, Any]) -> list[tuple[str, None]]:
    recipients = [(f"RCPT TO:<{r}>", None) for r in message["rcpt"]]
    return [
        ("EHLO client.test", None),
        (f"MAIL FROM:<{message['from']}>", None),
        *recipients,
        ("DATA", None),
        ("<message>", None),
        ("QUIT", None),
    ]


def connection_ids(connection: Any) -> list[str]:
    ids, connection.queued = list(getattr(connection, "queued", [])), []
    return ids


def stuffed(content: bytes) -> bytes:
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def play_tools(stage: Stage) -> list[str]:
    case = stage.case
    system = System(stage.place, deliver=True) if {"main", "inject", "queue_after", "delivered"} & case.keys() else None
    result: list[str] = []
    try:
        if system and not system.start():
            return [f"did not start: {system.stderr()[-600:]}"]
        for message in case.get("inject", []):
            result += _submit(stage, message)
            stage.quiet(lambda: False, 4.0)
        for step in case["steps"]:
            result += _tool_step(stage, step)
        if system and ({"delivered", "queue_after"} & case.keys()):
            stage.quiet(lambda: not _tools_after(stage), 8.0)
    finally:
        if system:
            system.stop()
    return result + _tools_after(stage)


def _tool_step(stage: Stage, step: dict[str, Any]) -> list[str]:
    if "sleep" in step:
        time.sleep(step["sleep"])
        return []
    if "write" in step:
        for name, text in step["write"].items():
            path = Path(stage.place.fill(name)) if name.startswith("{") else Path(stage.place.names["{CONF}"]) / name
            path.write_text(stage.place.fill(text))
        return []
    return _command(stage, step["cmd"], step)


def _tools_after(stage: Stage) -> list[str]:
    case = stage.case
    result = []
    for name, want in case.get("files_after", {}).items():
        path = Path(stage.place.fill(name)) if name.startswith("{") else Path(stage.place.names["{CONF}"]) / name
        got = stage.place.strip(path.read_text()) if path.exists() else None
        got = got and got.replace("queue_deliver = no\n", "").replace("worker_processes = 1\n", "")
        if want != got:
            result.append(f"file {name}: {got!r}, want {want!r}")
    if "queue_after" in case:
        got_queue = [
            {"queue": q["queue"], "sender": q["sender"], "recipients": [r["to"] for r in q["recipients"]]}
            for q in queued(stage.place)
        ]
        result += _equal("queue", [str(_sorted(q)) for q in case["queue_after"]], [str(_sorted(q)) for q in got_queue])
    if "delivered" in case:
        result += _differences("delivered", case["delivered"], delivered_files(stage.place, stage.stubs, case))
    if "log" in case:
        result += stage.log_difference()
    return result


def _sorted(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("queue", "sender", "recipients")}


def _differences(what: str, want: list[dict[str, Any]], got: list[dict[str, Any]]) -> list[str]:
    """Entries of `want` and `got` that have no equal on the other side; where one is left on each side, what differs in it."""
    left = list(got)
    missing = []
    for entry in want:
        match = next((candidate for candidate in left if _same_entry(entry, candidate)), None)
        if match is None:
            missing.append(entry)
        else:
            left.remove(match)
    if len(missing) == len(left) == 1:
        return [
            f"{what}: {key}: {_telling(missing[0].get(key), left[0].get(key))}"
            for key in {*missing[0], *left[0]}
            if not _same_value(missing[0].get(key), left[0].get(key))
        ]
    return [f"{what}: - {entry}" for entry in missing] + [f"{what}: + {entry}" for entry in left]


def _telling(want: Any, got: Any) -> str:
    """What differs between two values, without what is common to two lists."""
    if isinstance(want, list) and isinstance(got, list):
        want, got = [w for w in want if w not in got] or want, [g for g in got if g not in want] or got
    return f"want {want!r} got {got!r}"


def _same_entry(want: dict[str, Any], got: dict[str, Any]) -> bool:
    return all(_same_value(want.get(key), got.get(key)) for key in {*want, *got})


def _same_value(want: Any, got: Any) -> bool:
    if isinstance(want, str) and isinstance(got, (str, int)):
        return compare.same(*(compare.unfolded(text) for text in (compare.wanted(want), str(got))))
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(_same_value(w, g) for w, g in zip(want, got, strict=True))
    if isinstance(want, dict) and isinstance(got, dict):
        return _same_entry(want, got)
    return bool(want == got)


PLAYERS: dict[str, Callable[[Stage], list[str]]] = {
    "smtp": play_smtp,
    "deliver": play_deliver,
    "bounce": play_deliver,
    "logs": play_deliver,
    "tools": play_tools,
}


def play(kind: str, case: dict[str, Any], stubs: Stubs, base: Path, home: Path) -> list[str]:
    """What differs between the recording and Gatepost."""
    place = Place(home)
    try:
        return PLAYERS[kind](Stage(case, place, stubs, base))
    finally:
        stubs.clear()
        if not os.environ.get("GOLDEN_KEEP"):
            place.remove()
