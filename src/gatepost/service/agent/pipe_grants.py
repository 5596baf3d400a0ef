"""What pipe(8) services may have run: the words of `argv=`, where only what stands for a `$name` may differ, as `user=`, in the
directory and the environment that belong to the service."""

import grp
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.deliver.local_names import user_named
from gatepost.deliver.pipe import command_environment
from gatepost.deliver.pipe_arguments import PER_RECIPIENT, literals
from gatepost.deliver.pipe_attributes import PipeFault, pipe_attributes, working_directory
from gatepost.deliver.privileged import RunCommand
from gatepost.service.agent.rights import Ids
from gatepost.service.local import exported_environment


class Word(Struct, frozen=True):
    """What one word of `argv=` may become: `fixed` are its parts before, between and after names; `repeated`: for each
    recipient."""

    fixed: tuple[str, ...]
    repeated: bool

    def may_be(self, given: str) -> bool:
        """Whether it may have come to this. In one pass: a pattern could be made to try for ever."""
        if len(self.fixed) == 1:
            return given == self.fixed[0]
        first, *middle, last = self.fixed
        at, end = len(first), len(given) - len(last)
        if at > end or not (given.startswith(first) and given.endswith(last)):
            return False
        for part in middle:
            found = given.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


class PipeGrant(Struct, frozen=True):
    """What a pipe service runs, and how."""

    ids: Ids
    directory: str
    chroot: str
    environment: Mapping[str, str]
    time_limit: int
    words: tuple[Word, ...]

    def allow(self, request: RunCommand) -> bool:
        """Whether the request is that of the service."""
        return (
            (request.uid, request.gid) == self.ids
            and (request.directory, request.chroot) == (self.directory, self.chroot)
            and request.environment == self.environment
            and request.time_limit == self.time_limit
            and not request.file_limit
            and self._are_words(request.argv)
        )

    def _are_words(self, argv: tuple[str, ...]) -> bool:
        """Whether these words are those of the service for some number of recipients."""
        repeated = sum(word.repeated for word in self.words)
        for_recipients = len(argv) - (len(self.words) - repeated)
        recipients, rest = divmod(for_recipients, repeated) if repeated else (1, for_recipients)
        if rest or recipients < 1:
            return False
        wanted = (word for word in self.words for _ in range(recipients if word.repeated else 1))
        return all(word.may_be(given) for word, given in zip(wanted, argv, strict=True))


def pipe_grants(configuration: Configuration, entry: ServiceEntry) -> Iterator[PipeGrant]:
    """The grant of a pipe service; none where it cannot work, which is told where it is used (service/pipe.py)."""
    if entry.program != "pipe":
        return
    try:
        attributes = pipe_attributes(entry.arguments)
        user = user_named(attributes.user)
        gid = grp.getgrnam(attributes.group).gr_gid if attributes.group else user.gid if user else 0
    except (PipeFault, KeyError):
        return
    if user is None or not user.uid or not gid:
        return
    yield PipeGrant(
        (user.uid, gid),
        working_directory(attributes, configuration.value("queue_directory", entry.overrides)),
        attributes.chroot,
        command_environment(exported_environment(configuration, entry)),
        int(configuration.transport(entry.name, "time_limit", entry.overrides)),
        tuple(map(_word, attributes.argv)),
    )


def _word(word: str) -> Word:
    fixed, names = literals(word)
    return Word(tuple(fixed), bool(PER_RECIPIENT & names))
