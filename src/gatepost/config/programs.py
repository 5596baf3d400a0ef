"""The one table of the programs that a line of master.cf may name (master(5)): what each listens on, who builds it, what it takes.

The check of a configuration, the supervisor's listeners, the transports, the parameters that a transport brings with it, command
lines, warnings and docs/services.md all come out of the rows below. Programs of Postfix are those of 3.7; a new one is a row.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from gatepost.config.parameters.row import Support


class Arguments(enum.Enum):
    """What may follow the options of a program's line."""

    NONE = "nothing"
    FLAGS = "flags= (smtp(8))"
    COMMAND = "attributes and a command (pipe(8), spawn(8))"


class Chapter(enum.Enum):
    """Where a program stands in docs/services.md."""

    RECEIVING = "Receiving"
    QUEUE = "Queue"
    DELIVERING = "Delivering"
    AROUND = "Around it"


class Program(NamedTuple):
    """One row.

    name: as master.cf has it, without a directory.
    chapter, work, line: for docs/services.md; where its work is done, and what of its line is honoured beyond the common.
    support: DONE; NO_MEANING where nothing has to be started, because its work is done elsewhere; NOT_YET.
    listens: the types of lines on which clients from outside are served.
    advises: it answers what other daemons ask (policy delegation, spamd), and takes no mail.
    guards: it lets clients through to another service, and takes no mail itself.
    spawned: the agent accepts on its lines, and runs a command for each connection.
    builder: `module:function` of service/ that puts one line together: sessions where it listens, else an agent.
    transport: whether tables may name its services as transports.
    services: the names of services that are there without a line.
    arguments: what may follow the options.
    limits: whether a service brings the `NAME_destination_...` parameters into being (postconf(1)).
    status_filter: whether `PROGRAM_delivery_status_filter` holds.
    since: "" for a program of Postfix, else `gatepost`.
    """

    name: str
    chapter: Chapter
    work: str
    line: str = "nothing"
    support: Support = Support.DONE
    listens: tuple[str, ...] = ()
    advises: bool = False
    guards: bool = False
    spawned: bool = False
    builder: str = ""
    transport: bool = False
    services: tuple[str, ...] = ()
    arguments: Arguments = Arguments.NONE
    limits: bool = False
    status_filter: bool = False
    since: str = ""

    @property
    def takes_mail(self) -> bool:
        """Whether clients hand in mail on its lines."""
        return bool(self.listens) and not (self.advises or self.guards or self.spawned)


_RECEIVING, _QUEUE, _DELIVERING, _AROUND = Chapter
_NO_MEANING, _NOT_YET = Support.NO_MEANING, Support.NOT_YET
_CLIENTS = ("inet", "unix", "pass")
_POLICY_CLIENTS = ("inet", "unix")
_OF_POLICY_SERVERS = "`inet` and `unix`: listens; `-o`; `syslog_name`; maxproc: connections to a worker"
_SESSIONS = "gatepost.service.smtpd:open_service"
_SMTP = "gatepost.service.smtp_client:smtp_agent"

_ROWS = (
    Program(
        "smtpd", _RECEIVING, "`receive/`, put together by `service/smtpd.py`",
        "`inet` and `unix`: listens; `-o`; `syslog_name`; maxproc: sessions in a worker from which on `stress` is set",
        listens=_CLIENTS, builder=_SESSIONS,
    ),
    Program(
        "lmtpd", _RECEIVING, "the same with LMTP's verbs (RFC 2033); our own, Postfix has none", "as smtpd",
        listens=_CLIENTS, builder=_SESSIONS, since="gatepost",
    ),
    Program(
        "postscreen", _RECEIVING,
        "`receive/postscreen/`, put together by `service/postscreen.py`, in each worker ([postscreen](postscreen.md)); who passes"
        " goes to the line `smtpd pass` (`smtpd_service_name`)",
        "`inet` and `unix`: listens; `-o`; `syslog_name`",
        listens=_POLICY_CLIENTS, guards=True, builder="gatepost.service.postscreen:open_service",
    ),
    Program(
        "dnsblog", _RECEIVING, "`receive/postscreen/dns_lists.py`, in the worker: no process, no line needed", support=_NO_MEANING
    ),
    Program("tlsproxy", _RECEIVING, "`net/start_tls.py`, in the worker: no process, no line needed", support=_NO_MEANING),
    Program(
        "spf", _RECEIVING,
        "`service/spf.py` over `identity/spf/`: a policy server for any Postfix, as policyd-spf"
        " ([SPF](spf.md)); `check_spf` needs none",
        _OF_POLICY_SERVERS,
        listens=_POLICY_CLIENTS, advises=True, builder="gatepost.service.spf:open_service", since="gatepost",
    ),
    Program(
        "greylist", _RECEIVING,
        "`service/greylist.py` over `policy/greylist/`: a policy server for any Postfix, as postgrey"
        " ([greylisting](greylisting.md)); `check_greylist` needs none",
        _OF_POLICY_SERVERS,
        listens=_POLICY_CLIENTS, advises=True, builder="gatepost.service.greylist:open_service", since="gatepost",
    ),
    Program(
        "spamd", _RECEIVING,
        "`receive/spamd.py` over `proto/spamd_server.py`, put together by `service/spamd.py`: answers spamc(1) by the content"
        " filter's own scanner ([filter](filter.md))",
        "`inet` and `unix`: listens; `-o`; `syslog_name`; maxproc: connections to a worker",
        listens=_POLICY_CLIENTS, advises=True, builder="gatepost.service.spamd:open_service", since="gatepost",
    ),
    Program(
        "pickup", _RECEIVING, "`service/pickup.py`; one worker at a time, the one that holds the lock",
        "nothing; there with or without a line",
    ),
    Program(
        "cleanup", _RECEIVING, "`admission/`, in the session that receives",
        "`-o`, `syslog_name`; which line holds for a service says its `cleanup_service_name`. Cleanup's parameters may also be set"
        " at the smtpd line",
    ),
    Program(
        "qmqpd", _RECEIVING, "`receive/qmqpd.py` over `proto/qmqp.py`, put together by `service/qmqpd.py`",
        "`inet` and `unix`: listens; `-o`; `syslog_name`",
        listens=_POLICY_CLIENTS, builder="gatepost.service.qmqpd:open_service",
    ),
    Program(
        "anvil", _RECEIVING,
        "`state/shared.py`, in each worker, over memory that all share (`state/client_table.py`); `service/master/anvil.py`, in the"
        " supervisor",
    ),
    Program(
        "verify", _RECEIVING,
        "`policy/verify/`, in each worker, over the state that all share ([address verification](address-verification.md))",
        support=_NO_MEANING,
    ),
    Program("proxymap", _RECEIVING, "`lookup/proxy.py`: the table is opened by the worker itself", support=_NO_MEANING),
    Program(
        "tlsmgr", _RECEIVING, "`net/tls.py`, `net/client_tls.py`: randomness and sessions are the TLS library's",
        support=_NO_MEANING,
    ),
    Program(
        "spawn", _RECEIVING, "`service/agent/spawn.py`, in the agent, which accepts for it: a command a connection, as its user",
        "`inet` and `unix`: listens; `user=`, `argv=`; maxproc: commands at one time; `NAME_time_limit`",
        listens=_POLICY_CLIENTS, spawned=True, arguments=Arguments.COMMAND,
    ),
    Program("qmgr", _QUEUE, "`queue/scheduler.py`, in each worker for its partitions"),
    Program("oqmgr", _QUEUE, "as qmgr"),
    Program("nqmgr", _QUEUE, "as qmgr"),
    Program("trivial-rewrite", _QUEUE, "`routing/rewrite.py`, `routing/resolve.py`: a function call"),
    Program(
        "bounce", _QUEUE,
        "`queue/notices.py`, `queue/notice_message.py` (the services bounce, defer and trace); why mail waits is a column"
        " of the store",
    ),
    Program(
        "flush", _QUEUE,
        "`queue/flushing.py`; ETRN in `receive/verbs.py`. Any site can be flushed: the store has an index by site",
        "nothing; `fast_flush_domains` still says who may be asked for by ETRN",
    ),
    Program(
        "showq", _QUEUE,
        "`service/showq/showq.py`, a process of its own at `public/showq`, and at `public/flush` for flush(8), in Postfix's"
        " protocols; root's tools read the store themselves", "nothing; there with or without a line",
    ),
    Program("scache", _QUEUE, "`deliver/pool.py`, in each worker", support=_NO_MEANING),
    Program(
        "smtp", _DELIVERING, "`deliver/smtp.py` and the files it names, put together by `service/smtp_client.py`",
        "`flags=DORX`: `deliver/client_flags.py`",
        builder=_SMTP, transport=True, services=("smtp", "relay"), arguments=Arguments.FLAGS, limits=True, status_filter=True,
    ),
    Program(
        "lmtp", _DELIVERING, "the same, with `lmtp_*` parameters", "the same",
        builder=_SMTP, transport=True, services=("lmtp",), arguments=Arguments.FLAGS, limits=True, status_filter=True,
    ),
    Program(
        "local", _DELIVERING, "`deliver/local.py`, `local_expansion.py`, `local_mailbox.py`, by `service/local.py`", "",
        builder="gatepost.service.local:local_agent", transport=True, services=("local",), limits=True, status_filter=True,
    ),
    Program(
        "virtual", _DELIVERING, "`deliver/virtual.py`", "",
        builder="gatepost.service.transports:virtual_agent", transport=True, services=("virtual",), limits=True, status_filter=True,
    ),
    Program(
        "pipe", _DELIVERING, "`deliver/pipe.py`, by `service/pipe.py`; the command runs in the agent process",
        "all attributes of pipe(8): `user=`, `argv=`, `flags=`, `directory=`, `chroot=`, `null_sender=`, `size=` ...",
        builder="gatepost.service.pipe:pipe_agent", transport=True, arguments=Arguments.COMMAND, limits=True, status_filter=True,
    ),
    Program(
        "error", _DELIVERING, "`deliver/error.py`; a service of the name `retry` makes it temporary", "",
        builder="gatepost.service.transports:error_agent", transport=True, services=("error", "retry"), limits=True,
    ),
    Program(
        "discard", _DELIVERING, "`deliver/discard.py`", "",
        builder="gatepost.service.transports:discard_agent", transport=True, services=("discard",),
    ),
    Program(
        "master", _AROUND,
        "`service/master/supervisor.py`, `service/master/listeners.py`, `service/master/children.py`; its watchdog"
        " `service/master/watchdog.py`, the pid file `service/master/pid_file.py`", "has none",
    ),
    Program(
        "postlogd", _AROUND,
        "`service/log.py`: each process writes to the log that the supervisor opened; no socket, no line needed",
        support=_NO_MEANING,
    ),
)  # fmt: skip

PROGRAMS: Mapping[str, Program] = {row.name: row for row in _ROWS}
"""Name to row."""

BUILT_IN: Mapping[str, Program] = {service: row for row in _ROWS for service in row.services}
"""Service name to the program that serves it without a line."""


UNKNOWN = Program("", Chapter.AROUND, "nowhere", support=Support.NOT_YET)
"""The row of a program that nobody knows."""


def program(name: str) -> Program:
    """The row of a program (`ServiceEntry.program`), UNKNOWN where there is none."""
    return PROGRAMS.get(name, UNKNOWN)
