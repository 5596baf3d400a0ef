"""Usage: python -m tests.golden.record SKETCHES.jsonl OUT [-j N]: play sketches of cases against a real Postfix, write what it did.

A sketch is a case in the form of cases/README.md without what the server answers: steps without `recv` (`n`: how many replies a
step brings, 1 unless said), tool steps of `cmd` alone, messages to inject. Its `kind` is the folder that it belongs to. Needs root
and Debian's postfix; each sketch gets a configuration, a queue and namespaces of its own, never the host's.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.golden import compare, dialogue
from tests.golden.found import delivered_files
from tests.golden.surroundings import OWN, Place, Stubs, enter, main_cf, master_cf, write_tables

_ADDITIONS = {"enable_long_queue_ids": "yes", "maillog_file_prefixes": "/tmp, /var, /dev/stdout"}
_NO_QUEUE_MANAGER = "warning: unable to look up public/qmgr"  # where a sketch says that none runs
_OURS = re.compile(r"^gatepost_")
_QUIET, _PATIENCE = 0.8, 15.0  # seconds without a log line that end a case; seconds for it at most
_RECORDS = ("content_filter", "redirect_to", "verp_delimiters", "done_recipient")
_EPHEMERAL = ("client_port", "log_client_port", "log_ident")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sketches", type=Path)
    parser.add_argument("out", type=Path, help="a folder: OUT/KIND/GROUP.jsonl are added to")
    parser.add_argument("-j", type=int, default=4)
    arguments = parser.parse_args()
    sketches = [json.loads(line) for line in arguments.sketches.read_text().splitlines() if line.strip()]
    children = []
    for number in range(arguments.j):
        pid = os.fork()
        if pid == 0:
            _record_all(sketches[number :: arguments.j], arguments.out / f".{number}")
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    _gather(arguments.out, [arguments.out / f".{number}" for number in range(arguments.j)], [s["name"] for s in sketches])


def _gather(out: Path, parts: list[Path], order: list[str]) -> None:
    recorded = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    for part in parts:
        part.unlink()
    for case in sorted(recorded, key=lambda case: order.index(case["name"])):
        path = out / case.pop("kind") / f"{case['group']}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(case) + "\n")


def _record_all(sketches: list[dict[str, Any]], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="golden-home-"))
    home.chmod(0o755)
    enter(OWN / "base", home)
    etc = Path(tempfile.mkdtemp(prefix="golden-etc-"))
    etc.chmod(0o755)
    shutil.copytree("/etc/postfix", etc, symlinks=True, dirs_exist_ok=True)
    subprocess.run(["mount", "--bind", str(etc), "/etc/postfix"], check=True)
    stubs = Stubs()
    with out.open("w") as file:
        for sketch in sketches:
            place = Place(home)
            try:
                file.write(json.dumps(_record(sketch, place, stubs)) + "\n")
                file.flush()
            except Exception as error:
                print(f"{sketch['name']}: {type(error).__name__}: {error}", file=sys.stderr)
            finally:
                stubs.clear()
                place.remove()
    shutil.rmtree(home, ignore_errors=True)


def _record(sketch: dict[str, Any], place: Place, stubs: Stubs) -> dict[str, Any]:
    case = {**sketch, "group": sketch["name"].split("/")[-2]}
    stubs.set(case, (OWN / "base" / "zone").read_text())
    postfix = _Postfix(case, place)
    player = {"smtp": _smtp, "tools": _tools}.get(case["kind"], _deliver)
    if case["kind"] != "tools" or {"main", "inject"} & case.keys():
        postfix.start()
    try:
        player(case, postfix, stubs)
    finally:
        postfix.stop()
    return case


class _Postfix:
    """Debian's Postfix with the configuration of a case."""

    def __init__(self, case: dict[str, Any], place: Place) -> None:
        self.place, self.ids = place, []
        self._conf = Path(place.names["{CONF}"])
        # postdrop and postqueue, which have more rights than their callers, ask the default configuration which others there are.
        Path("/etc/postfix/main.cf").write_text(f"compatibility_level = 3.6\nalternate_config_directories = {self._conf}\n")
        self._write(case)
        self._running = False

    def _write(self, case: dict[str, Any]) -> None:
        own = {**_ADDITIONS, **case.get("main", {})}
        lines = main_cf(OWN / "base", {"main": own}).splitlines()
        (self._conf / "main.cf").write_text(self.place.fill("\n".join(line for line in lines if not _OURS.match(line)) + "\n"))
        master = master_cf(OWN / "base", case)
        if case.get("mode") == "queue":
            master = "\n".join(line for line in master.splitlines() if line.split()[0] not in ("qmgr", "pickup")) + "\n"
        (self._conf / "master.cf").write_text(self.place.fill(master))
        for tool, kind, path in write_tables(self.place, OWN / "base", case):
            self.run([tool, "-c", str(self._conf), f"{kind}:{path}"])

    def run(self, command: list[str], text: bytes = b"", uid: int | None = None) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "MAIL_CONFIG": str(self._conf), "TZ": "UTC", "LANG": "C"}
        return subprocess.run(
            command, input=text, capture_output=True, env=environment, timeout=60, user=uid, group=uid, check=False
        )

    def start(self) -> None:
        done = self.run(["postfix", "-c", str(self._conf), "start"])
        self._running = True
        assert done.returncode == 0, done.stderr
        end = time.monotonic() + 10
        while time.monotonic() < end and not any("daemon started" in line for line in self.raw_log()):
            time.sleep(0.05)

    def stop(self) -> None:
        if self._running:
            self.run(["postfix", "-c", str(self._conf), "stop"])

    def raw_log(self) -> list[str]:
        return compare.read_log(self.place.names["{LOG}"])

    def log(self) -> list[str]:
        ours = re.compile(r"^postfix/(postfix-script|master)\[\d+\]: (?!warning|fatal|error)")
        lines = [
            compare.log_line(self.place.strip(line))
            for line in self.raw_log()
            if not ours.match(line) and _NO_QUEUE_MANAGER not in line
        ]
        ids = list(dict.fromkeys(found for line in lines for found in compare.QUEUE_ID.findall(line)))
        return [compare.QUEUE_ID.sub(lambda match: f"{{Q{ids.index(match[0]) + 1}}}", line) for line in lines]

    def quiet(self, patience: float = _PATIENCE, quiet: float = _QUIET) -> None:
        size, since, end = -1, time.monotonic(), time.monotonic() + patience
        while time.monotonic() < end and time.monotonic() - since < quiet:
            now = len(self.raw_log())
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.05)

    def queued(self) -> list[dict[str, Any]]:
        listed = self.run(["postqueue", "-c", str(self._conf), "-j"]).stdout.decode()
        return [self._entry(json.loads(line)) for line in listed.splitlines()]

    def _entry(self, listed: dict[str, Any]) -> dict[str, Any]:
        show = lambda flags: self.run(["postcat", "-c", str(self._conf), flags, listed["queue_id"]]).stdout  # noqa: E731
        entry: dict[str, Any] = {"queue": listed["queue_name"], "sender": "", "recipients": [], "records": []}
        recipient: dict[str, Any] = {}
        for line in show("-eq").decode("utf-8", "backslashreplace").splitlines():
            name, _, value = line.partition(": ")
            attribute, _, content = value.partition("=")
            if name == "sender":
                entry["sender"] = value
            elif name == "named_attribute" and attribute == "dsn_orig_rcpt":
                recipient["dsn_orig_rcpt"] = content
            elif name == "named_attribute" and attribute == "notify_flags":
                recipient["notify_flags"] = int(content)
            elif name == "original_recipient":
                recipient["orig"] = value
            elif name == "recipient":
                entry["recipients"].append({**recipient, "to": value})
                recipient = {}
            elif name == "done_recipient":
                recipient = {}
                entry["records"].append([name, value])
            elif name == "named_attribute" and attribute not in _EPHEMERAL:
                entry["records"].append(["attr", self.place.strip(value)])
            elif name in _RECORDS:
                entry["records"].append([name, self.place.strip(value)])
        message = show("-bhq").decode("utf-8", "backslashreplace")
        entry["message"] = compare.normal(self.place.strip(message))
        return entry


def _smtp(case: dict[str, Any], postfix: _Postfix, stubs: Stubs) -> None:
    case["steps"] = _played(case)
    postfix.quiet()
    case["delivered"] = postfix.queued() if case.get("mode") == "queue" else []
    case["log"] = postfix.log()


def _played(case: dict[str, Any]) -> list[dict[str, Any]]:
    steps = []
    for step, got in dialogue.play(case, "127.0.0.1", 2525, str(OWN / "base" / "tls"), record=True):
        assert not got.pop("no_reply", False), f"no reply to {step}"
        got.pop("send_error", None)
        steps.append({**{key: value for key, value in step.items() if key != "n"}, **got})
    return steps


def _deliver(case: dict[str, Any], postfix: _Postfix, stubs: Stubs) -> None:
    for message in case["inject"]:
        _inject(message, postfix)
        postfix.quiet(5.0)
    postfix.quiet()
    case["delivered"] = delivered_files(postfix.place, stubs, case)
    case["queue_left"] = postfix.queued()
    case["log"] = postfix.log()


def _inject(message: dict[str, Any], postfix: _Postfix) -> None:
    if "steps" in message:
        message["steps"] = _played({"client": {"addr": message.get("addr")}, "steps": message["steps"]})
    else:
        words = ["sendmail", *message["argv"][1:]] if "argv" in message else message["run"]
        _command(message, words, message.get("content", message.get("stdin", "")), postfix)


def _tools(case: dict[str, Any], postfix: _Postfix, stubs: Stubs) -> None:
    for message in case.get("inject", []):
        _smtp_injection(message, postfix)
        postfix.quiet(4.0)
    for step in case["steps"]:
        if "cmd" in step:
            _command(step, step["cmd"], step.get("stdin", ""), postfix)
    if "inject" in case:
        postfix.quiet(6.0)
        case["queue_after"] = [
            {"queue": q["queue"], "sender": q["sender"], "recipients": [r["to"] for r in q["recipients"]]} for q in postfix.queued()
        ]


def _smtp_injection(message: dict[str, Any], postfix: _Postfix) -> None:
    from tests.golden.players import simple_dialogue, stuffed

    connection = dialogue.Conn("127.0.0.1", 2525, message.get("addr", "127.0.0.1"))
    connection.reply(dialogue.TIMEOUT)
    message["dialogue"] = []
    for command, _ in simple_dialogue(message):
        data = stuffed(message["content"].encode()) if command == "<message>" else command.encode() + b"\r\n"
        connection.sock.sendall(data)
        message["dialogue"].append([command, connection.replies(1)])
    postfix.ids += connection.queued
    connection.close()


def _command(step: dict[str, Any], words: list[str], text: str, postfix: _Postfix) -> None:
    def with_ids(value: str) -> str:
        return re.sub(r"\{Q(\d+)\}", lambda match: postfix.ids[int(match[1]) - 1], value)

    command = [postfix.place.fill(with_ids(word)) for word in words]
    done = postfix.run(command, with_ids(text).encode(), step.get("uid"))
    step["exit"] = done.returncode
    for name, stream in (("stdout", done.stdout), ("stderr", done.stderr)):
        shown = postfix.place.strip(stream.decode("utf-8", "replace"))
        for found in compare.QUEUE_ID.findall(shown):
            if found not in postfix.ids:
                postfix.ids.append(found)
        shown = compare.QUEUE_ID.sub(lambda match: f"{{Q{postfix.ids.index(match[0]) + 1}}}", shown)
        step[name] = re.sub(r"(?<=client_port=)\d+", "{VAR}", compare.normal(shown))


if __name__ == "__main__":
    main()
