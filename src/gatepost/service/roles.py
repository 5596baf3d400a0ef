"""The one table of process roles: what the supervisor (master(8)) starts beside itself, with which rights, and how that ends.

The supervisor's forks, its own sockets, the walls, reload, stop and docs/services.md all come out of the rows below: a new role is
a row and the module that it names. Every child that ends is started again, after a pause where it ended at once
(master/children.py), but for those that a reload has replaced: new ones serve before the old ones are told to finish (SIGUSR1:
what they have under way comes to its end, and nothing new is begun).
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from gatepost.config.configuration import Configuration
from gatepost.deliver.privileged import AGENT_SOCKET
from gatepost.queue.user_requests import FLUSH, SHOWQ
from gatepost.service.filter_settings import wants_scanner
from gatepost.service.privileges import Capability
from gatepost.service.scanner.client import SCANNER_SOCKET


class Rights(Struct, frozen=True):
    """What a child keeps of the rights with which the mail system was started.

    as_owner: it runs as mail_owner; else as whoever started the mail system, root as a rule.
    capabilities: those of root's that it keeps where it stays root (capabilities(7)).
    of_programs: those that set-user-id programs which it runs get at most.
    knows_users: whether it has the groups that those are kept for who ask about users (login_groups.py).
    walls: whether Landlock, seccomp and a limit of memory surround it (walls/walls.py).
    sealed: whether it puts up stronger ones itself, once it has read what it needs: no files, no network, no other process.
    changes: the folders below queue_directory that it may change behind its walls.
    """

    as_owner: bool
    knows_users: bool = False
    capabilities: frozenset[Capability] = frozenset()
    of_programs: frozenset[Capability] = frozenset()
    walls: bool = False
    sealed: bool = False
    changes: tuple[str, ...] = ()


Wanted = Callable[[Configuration], bool]


def _set(parameter: str) -> Wanted:
    """Where a parameter of main.cf says anything."""
    return lambda configuration: bool(configuration.value(parameter))


class Role(Struct, frozen=True):
    """One row.

    name: in the log.
    work: for docs/services.md.
    body: `module:function`, a Body (inheritance.py).
    rights: what those are.
    stop: when it is ended as the mail system stops: those of 1 first, and those of 2 when these are gone.
    sockets: its own, below queue_directory; in the folder `gatepost` only workers can connect, elsewhere every user.
    serves: whether it accepts what comes to the services of master.cf, but for those that are spawned.
    spawns: whether it accepts what comes to those.
    many: whether there are as many as worker_processes says; else one.
    in_loop: whether it lives in an event loop, which is watched (master/watchdog.py), and counts clients (master/anvil.py).
    needs_threads: whether it ends, to be started again, when a thread of it ends.
    wanted: whether a configuration has any of it; None where there always is.
    """

    name: str
    work: str
    body: str
    rights: Rights
    stop: int
    sockets: tuple[Path, ...] = ()
    serves: bool = False
    spawns: bool = False
    many: bool = False
    in_loop: bool = False
    needs_threads: bool = False
    wanted: Wanted | None = None

    def is_wanted(self, configuration: Configuration) -> bool:
        """Whether there is any of it, and its sockets."""
        return self.wanted is None or self.wanted(configuration)


# To become others, to give them the mailboxes that it makes in a spool of root's, to end and to lock up their commands. The agent
# reads and writes no file that its user of the moment may not.
_AGENT = frozenset((Capability.CHOWN, Capability.KILL, Capability.SETGID, Capability.SETUID, Capability.SYS_CHROOT))

# What set-user-id programs get that commands run (maildrop, procmail, sudo): what delivery may need, and nothing that
# changes the system.
_COMMANDS = _AGENT | {
    Capability.AUDIT_WRITE, Capability.DAC_OVERRIDE, Capability.DAC_READ_SEARCH, Capability.FOWNER, Capability.FSETID,
    Capability.NET_BIND_SERVICE, Capability.SYS_RESOURCE,
}  # fmt: skip

_BEHIND_WALLS = Rights(as_owner=True, walls=True, changes=("store", "corrupt", "maildrop", "private"))

AGENT = Role(
    "agent", "mailboxes, users' files and commands, each as its user, if `service/agent/grants.py` has them in its list",
    body="gatepost.service.agent.agent:prepare", rights=Rights(as_owner=False, capabilities=_AGENT, of_programs=_COMMANDS),
    sockets=(AGENT_SOCKET,), spawns=True, stop=2,
)  # fmt: skip
SHOWQ_AND_FLUSH = Role(
    "showq", "answers users who may not read the queue's files",
    body="gatepost.service.showq.showq:prepare", rights=_BEHIND_WALLS,
    sockets=(SHOWQ, FLUSH), stop=2,
)  # fmt: skip
WORKER = Role(
    "worker", "all services of master.cf: whole messages, from the socket to the last recipient",
    body="gatepost.service.worker:prepare", rights=structs.replace(_BEHIND_WALLS, knows_users=True),
    serves=True, many=True, in_loop=True, needs_threads=True, stop=1,
)  # fmt: skip

ACME = Role(
    "acme", "has certificates issued and renewed where `acme_directory_url` is set; a process beside it, root with NET_BIND_SERVICE"
    " alone, stores them and binds its port while a challenge is open",
    body="gatepost.service.acme.process:prepare", rights=Rights(as_owner=True, walls=True),
    sockets=(Path("gatepost") / "acme",), stop=2, wanted=_set("acme_directory_url"),
)  # fmt: skip

ANTIVIRUS = Role(
    "antivirus", "starts clamd and freshclam, each as its own user, and watches them, where `filter_supervise` says so",
    body="gatepost.service.antivirus.process:prepare",
    rights=Rights(as_owner=False, capabilities=frozenset((Capability.KILL, Capability.SETGID, Capability.SETUID))),
    stop=2, wanted=_set("filter_supervise"),
)  # fmt: skip

SCANNER = Role(
    "scanner", "rules, texts and attachments of the content filter: facts about a message, where `filter_before_queue` asks for"
    " them, of us and not of a spamd, or a `spamd` line does; it sees no file and no network",
    body="gatepost.service.scanner.process:prepare", rights=Rights(as_owner=True, sealed=True),
    sockets=(SCANNER_SOCKET,), many=True, stop=2, wanted=wants_scanner,
)  # fmt: skip

ROLES = (AGENT, SHOWQ_AND_FLUSH, WORKER, ACME, ANTIVIRUS, SCANNER)
"""In the order in which they are started."""
