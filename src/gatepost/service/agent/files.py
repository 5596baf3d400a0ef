"""What the agent does with files: write mailboxes, read lists of recipients. Each as the user whose they are, and without a look at
what is in them; whether it is granted has been decided (grants.py).

Failure: nothing is raised for what a user's files do; it becomes an answer.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby

from gatepost.deliver.mailbox import Arrival, MailboxError, deliver_to_maildir
from gatepost.deliver.mbox import deliver_to_mbox
from gatepost.deliver.privileged import LONGEST_FILE, Answer, Done, Failed, Letter, Numbered, WriteMaildir, WriteMbox
from gatepost.deliver.safe_path import open_directory
from gatepost.service.agent.rights import Ids, NotPossible, as_user

TROUBLE = (MailboxError, OSError, ValueError)
"""What a request may come to; ValueError: a path or a word that the system does not take, such as one with a NUL in it."""


def write(request: WriteMaildir | WriteMbox, content: Iterable[bytes], until: float) -> Answer:
    """Deliver it; see mailbox.py for `until`."""
    box = request.box
    as_owner = partial(as_user, box.uid, box.gid)
    try:
        if isinstance(request, WriteMaildir):
            with as_owner():
                deliver_to_maildir(box, content, time.time, until)
        else:
            mbox = partial(deliver_to_mbox, box, content, request.locks, time.time, listed=request.listed, until=until)
            if box.privileged and os.getuid() == 0:
                with as_user(0, 0):
                    mbox(as_owner=as_owner)
            else:
                with as_owner():
                    mbox()
    except TROUBLE as error:
        return failed(error)
    return Done()


_Letters = list[tuple[int, Arrival]]
"""Letters under way, with their indexes."""


def write_letters(letters: Iterable[tuple[int, Letter]], until: float) -> Iterator[list[Numbered]]:
    """Deliver letters, each as its own user; whatever befalls one is its own affair. All are written, then synced, so that they
    wait for the disk together; then each file system shows its own, and each Maildir settles and is answered at once: a file
    system that hangs leaves no doubt about letters on another. (Were each Maildir shown and settled by itself, each would wait
    for a commit.)"""
    now = time.time()
    every = [(index, Arrival(letter.box, (letter.content,), now, until)) for index, letter in letters]
    try:
        written, failures = _take(Arrival.write, every)
        synced, more = _take(Arrival.sync, written)
        yield failures + more
        for of_disk in _groups(synced, Arrival.device):
            shown, failures = _take(Arrival.show, of_disk)
            yield failures
            for maildir in _groups(shown, lambda arrival: (arrival.box.path, _ids(arrival))):
                yield _settle(maildir)
    finally:
        for _, arrival in every:
            arrival.close()


def _groups(letters: _Letters, key: Callable[[Arrival], object]) -> Iterable[_Letters]:
    groups: dict[object, _Letters] = {}
    for index, arrival in letters:
        groups.setdefault(key(arrival), []).append((index, arrival))
    return groups.values()


def _take(step: Callable[[Arrival], None], letters: _Letters) -> tuple[_Letters, list[Numbered]]:
    """Take a step with all of them: those that go on, and the answers to those that failed. Rights change from owner to owner
    only."""
    going: _Letters = []
    failures: list[Numbered] = []
    for owner, group in groupby(letters, lambda letter: _ids(letter[1])):
        of_owner = list(group)
        try:
            with as_user(*owner):
                for index, arrival in of_owner:
                    try:
                        step(arrival)
                        going.append((index, arrival))
                    except TROUBLE as error:
                        failures.append((index, failed(error)))
        except NotPossible as error:
            failures.extend((index, failed(error)) for index, _ in of_owner)
    return going, failures


def _settle(shown: _Letters) -> list[Numbered]:
    """Make durable what one Maildir shows; all of it is taken back where that fails."""
    settled, failures = _take(Arrival.settle, shown[:1])
    if settled or not shown:
        return [(index, Done()) for index, _ in shown]
    _take(Arrival.take_back, shown[1:])
    return [(index, failures[0][1]) for index, _ in shown]


def _ids(arrival: Arrival) -> Ids:
    return arrival.box.uid, arrival.box.gid


def read_list(path: str, rights: Ids) -> Answer:
    """A list of recipients, and what its owner and mode say of it. A named pipe or device does not hold us up, and what is no
    regular file, or is a link that root did not make, is not read at all."""
    try:
        with as_user(*rights):
            return read_file(path)
    except TROUBLE as error:
        return failed(error)


def read_file(path: str, unless: Callable[[os.stat_result], bool] = lambda status: False) -> Done:
    """The same, with the rights that the thread has. `unless`: what tells by its status that it is known need not be read again.
    Raises OSError, ValueError."""
    parent, name = os.path.split(path)
    folder = open_directory(parent)
    try:
        status, data = os.stat(name, dir_fd=folder, follow_symlinks=False), b""
        if stat.S_ISREG(status.st_mode):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
            with open(os.open(name, flags, dir_fd=folder), "rb") as file:
                status = os.fstat(file.fileno())
                if stat.S_ISREG(status.st_mode) and not unless(status):
                    data = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(folder)
    if len(data) > LONGEST_FILE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return Done(data=data, mode=status.st_mode, owner=status.st_uid)


def failed(error: MailboxError | OSError | ValueError) -> Failed:
    """The answer that says what went wrong."""
    if isinstance(error, MailboxError):
        return Failed(error.enhanced, error.text, error.diagnostic)
    if isinstance(error, NotPossible):
        return Failed("4.3.5", f"mail system configuration error: {error.strerror}")
    if isinstance(error, FileNotFoundError):
        return Failed("5.2.0", f"{error.filename}: {error.strerror}", missing=True)
    if isinstance(error, OSError):
        return Failed("4.3.0", f"{error.filename or 'agent'}: {error.strerror}")
    return Failed("4.3.0", f"agent: {error}")
