"""`gatepost quarantine`: mail that the content filter has kept from its recipients."""

import codecs
import importlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.cli.command import Command, Fatal, octets, run, wrong_call

if TYPE_CHECKING:
    from gatepost.filter.quarantine.store import Kept, QuarantineFolder

_USAGE = """\
usage: gatepost quarantine [-c config_dir] COMMAND
  list [-j] [--kind KIND]       the messages, the oldest first; -j: one JSON object a line
                                KIND: virus, banned, spam, unchecked, bad-header
  show ID                       why it is kept, for whom it was, and the message
  release [--to ADDRESS] ID...  deliver it to its recipients, or to another one, without filtering it again; it is
                                not kept any more
  learn --spam|--ham ID...      teach the filter what it is; it stays
  delete ID...                  it is gone
  delete --older DAYS           so is all that was kept so long ago"""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong or there is no such message; 64 for a wrong call."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:j", ["kind=", "to=", "older=", "spam", "ham"])
        named = dict(options)
        name, *words = operands
        body, allowed, needs = _COMMANDS[name]
        if named.keys() - {"-c", *allowed} or bool(words) != (needs and "--older" not in named):
            raise ValueError
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    except (KeyError, ValueError):
        return wrong_call(_USAGE)
    command = Command("gatepost", "quarantine", named.get("-c"))
    return run(command, lambda: _run(command, body, named, words), failure=1)


def _run(command: Command, body: "_Body", named: dict[str, str], words: list[str]) -> int:
    from gatepost.filter.quarantine.store import NoSuchMessage, QuarantineFolder

    folder = QuarantineFolder(Path(command.value("data_directory")))
    if body is not _learn:
        command.become_owner()
    try:
        return body(command, folder, named, words)
    except NoSuchMessage as error:
        raise Fatal(str(error), logged=False) from None
    except OSError as error:
        raise Fatal(f"{error.filename or 'quarantine'}: {error.strerror}", logged=False) from None


def _list(command: Command, folder: "QuarantineFolder", named: dict[str, str], words: list[str]) -> int:
    import msgspec

    from gatepost.mail import as_json

    for kept in _all(command, folder):
        entry = kept.entry
        if named.get("--kind", entry.kind) != entry.kind:
            continue
        if "-j" in named:
            object_ = as_json.write(msgspec.structs.replace(entry, size=kept.content.size)).decode()
            sys.stdout.write(f'{{"id": "{kept.name}", {object_[1:]}\n')
        else:
            recipients = ", ".join(entry.recipients[:3]) + (
                f" and {len(entry.recipients) - 3} more" if entry.recipients[3:] else ""
            )
            line = f"{kept.name}  {kept.content.size:>9}  {entry.kind:<10}  <{entry.sender}> -> {recipients}: {entry.reason}"
            sys.stdout.write(_plain(line) + "\n")
    return 0


def _all(command: Command, folder: "QuarantineFolder") -> Iterator["Kept"]:
    from gatepost.filter.quarantine.store import NoSuchMessage

    for name in folder.names():
        try:
            yield folder.read(name)
        except NoSuchMessage as error:  # it has gone meanwhile, or is damaged
            command.warn(str(error), logged=False)


def _show(command: Command, folder: "QuarantineFolder", named: dict[str, str], words: list[str]) -> int:
    for name in words:
        kept = folder.read(name)
        entry = kept.entry
        rows = {
            "Id": name,
            "Kept": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(entry.time)),
            "Kind": entry.kind,
            "Reason": entry.reason,
            "Sender": f"<{entry.sender}>",
            "Recipients": ", ".join(entry.recipients),
            "Client": entry.client,
            "Queue id": entry.queue_id,
            "Score": f"{entry.score:g}" if entry.tests else "",
            "Tests": ", ".join(entry.tests),
            "Subject": entry.subject,
            "From": entry.from_header,
            "Message-ID": entry.message_id,
        }
        sys.stdout.writelines(_plain(f"{title + ':':<12} {text}") + "\n" for title, text in rows.items() if text)
        sys.stdout.write("\n")
        sys.stdout.flush()
        chunks = kept.content.chunks()
        sys.stdout.buffer.writelines(shown(chunks) if os.isatty(sys.stdout.fileno()) else chunks)
        sys.stdout.buffer.flush()
    return 0


def _release(command: Command, folder: "QuarantineFolder", named: dict[str, str], words: list[str]) -> int:
    from gatepost.mail.envelope import Recipient
    from gatepost.receive import maildrop

    found = [folder.read(name) for name in words]
    for kept in found:
        recipients = (named["--to"],) if "--to" in named else kept.entry.recipients
        submission = maildrop.Submission(
            kept.entry.sender,
            tuple(Recipient(address, address) for address in recipients),
            smtputf8=not all(address.isascii() for address in (kept.entry.sender, *recipients)),
            gateway=True,
            released=True,
        )
        maildrop.write(command.queue_directory / "maildrop", submission, kept.content.chunks())
        command.log(f"{kept.name}: released to {', '.join(recipients)}")
        folder.delete(kept.name)
    return 0


def _learn(command: Command, folder: "QuarantineFolder", named: dict[str, str], words: list[str]) -> int:
    """What `gatepost learn` does with the messages, each in a file of its own. It is called with the rights that we have."""
    import tempfile

    from gatepost.cli import COMMANDS

    if ("--spam" in named) == ("--ham" in named):
        raise Fatal("learn: say --spam or --ham", logged=False, status=64)
    if "learn" not in COMMANDS:
        raise Fatal("this Gatepost has nothing that learns", logged=False)
    learn = importlib.import_module(f"gatepost.cli.{COMMANDS['learn'][0]}")
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / f"{name}.eml" for name in words]
        for name, file in zip(words, files, strict=True):
            _copy(command, folder, name, file)
        kind = "--spam" if "--spam" in named else "--ham"
        return int(learn.main(["learn", "-c", str(command.directory), kind, *map(str, files)]))


def _copy(command: Command, folder: "QuarantineFolder", name: str, file: Path) -> None:
    """A message into a file of ours, read by a child that has become mail_owner. Raises Fatal."""
    from gatepost.filter.quarantine.store import NoSuchMessage

    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            command.become_owner()
            with os.fdopen(writable, "wb") as out:
                out.writelines(folder.read(name).content.chunks())
            os._exit(0)
        except (Fatal, NoSuchMessage, OSError) as error:
            command.say(str(error), "fatal", logged=False)
        finally:
            os._exit(1)
    os.close(writable)
    with os.fdopen(readable, "rb") as told, open(file, "wb") as copy:
        shutil.copyfileobj(told, copy)
    if os.waitpid(child, 0)[1]:
        raise Fatal("nothing is learned", logged=False)


def _delete(command: Command, folder: "QuarantineFolder", named: dict[str, str], words: list[str]) -> int:
    if "--older" in named:
        if not named["--older"].isdigit():
            raise Fatal(f"--older: {named['--older']}: no number of days", logged=False, status=64)
        folder.sweep(time.time() - int(named["--older"]) * 86400)
    for name in words:
        folder.delete(name)
        command.log(f"{name}: deleted")
    return 0


_Body = Callable[[Command, "QuarantineFolder", dict[str, str], list[str]], int]
_COMMANDS: dict[str, tuple[_Body, tuple[str, ...], bool]] = {
    "list": (_list, ("-j", "--kind"), False),
    "show": (_show, (), True),
    "release": (_release, ("--to",), True),
    "learn": (_learn, ("--spam", "--ham"), True),
    "delete": (_delete, ("--older",), True),
}
"""Name to (what is done, its options, whether it needs names of messages)."""


def _plain(text: str) -> str:
    """A line for a terminal: strangers have written some of it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def shown(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A message for a terminal, without what would command it: also the controls that UTF-8 has in two octets (U+009B is CSI)."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        text = decoder.decode(chunk).replace("\r", "")
        yield "\n".join(_plain(line.replace("\t", "    ")) for line in text.split("\n")).encode()
