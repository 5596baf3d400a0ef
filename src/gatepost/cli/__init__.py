"""The `gatepost` command: one file per subcommand, found by name; a link named as a Postfix command behaves as that command.

Every command module exports `main(argv) -> int`, where argv[0] is the name it was called by. Modules are imported only when
asked for: a script that calls `postconf` by the hundred pays for `postconf` alone.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import PurePath

# name -> (module, one line for the overview)
COMMANDS: dict[str, tuple[str, str]] = {
    "start": ("postfix", "start the mail system (--foreground: stay attached)"),
    "stop": ("postfix", "stop it in an orderly way"),
    "reload": ("postfix", "read the configuration again; a bad one is refused and the old one keeps running"),
    "status": ("postfix", "tell whether it runs"),
    "check": ("postfix", "name file, line and remedy for every fault in the configuration"),
    "abort": ("postfix", "stop it at once"),
    "flush": ("postfix", "try every deferred message now"),
    "postfix": ("postfix", "the commands above under Postfix's name"),
    "demo": ("demo", "a complete mail system on unprivileged ports, with nothing configured"),
    "postconf": ("postconf", "show or edit parameters and services"),
    "postmap": ("postmap", "build and query lookup tables"),
    "postalias": ("postalias", "build and query alias databases"),
    "newaliases": ("sendmail", "rebuild the alias databases"),
    "sendmail": ("sendmail", "submit a message"),
    "mailq": ("sendmail", "list the queue"),
    "postqueue": ("postqueue", "list or flush the queue"),
    "postsuper": ("postsuper", "hold, release, requeue or delete queued messages"),
    "postcat": ("postcat", "show a queued message"),
    "postlog": ("postlog", "write a line to the mail log"),
    "posttls-finger": ("posttls_finger", "show what TLS a mail server offers, and whether its certificate would do"),
    "greylist": ("greylist", "list, show, allow, forget, import, report: what greylisting remembers"),
    "submission": ("submission", "list, show, block, lift, release, purge: logins that send too much, and their mail on hold"),
    "sts": ("sts", "list, show, forget: policies of MTA-STS that mail to other domains goes by"),
    "tlsrpt": ("tlsrpt", "show the reports about TLS of a day, or have them sent"),
    "quarantine": ("quarantine", "list, show, release, learn, delete: mail that the content filter has kept"),
    "user": ("user", "add, passwd, list, delete, app-password: who may log in, in a file of Gatepost's own"),
    "acme": ("acme", "status, renew: the certificate that an authority issues by ACME"),
    "scan": ("scan", "what the content filter makes of messages in files: points, rules, the text that matched"),
    "learn": ("learn", "teach the content filter by mail that somebody has sorted into spam and ham"),
    "audit": ("audit", "prove that every acknowledged recipient is accounted for"),
    "install-compat": ("install_compat", "make links with Postfix's command names"),
}


def main() -> int:
    """Entry point: runs the command that argv names; exit status as in sysexits.h."""
    name = PurePath(sys.argv[0]).name
    if name in COMMANDS:
        return run(name, sys.argv)
    arguments = sys.argv[1:]
    while arguments[:1] == ["-c"] and len(arguments) > 1:
        # Handed down as the environment variable that every Postfix command reads.
        os.environ["MAIL_CONFIG"] = arguments[1]
        arguments = arguments[2:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return 0
    if arguments[0] in ("-V", "--version", "version"):
        from gatepost import __version__

        sys.stdout.write(f"gatepost {__version__}\n")
        return 0
    if arguments[0] not in COMMANDS:
        sys.stderr.write(f"gatepost: fatal: unknown command {arguments[0]!r}; `gatepost help` lists the commands\n")
        return os.EX_USAGE
    return run(arguments[0], arguments)


def run(name: str, argv: Sequence[str]) -> int:
    """Run one command in this process. A reader that goes away (`mailq | head`) and Ctrl-C end it quietly."""
    module = importlib.import_module(f"gatepost.cli.{COMMANDS[name][0]}")
    try:
        status = int(module.main(list(argv)))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def overview() -> str:
    """The text of `gatepost help`."""
    lines = ["usage: gatepost [-c DIR] COMMAND [ARGUMENT ...]", ""]
    lines += [f"  {name:<15} {text}" for name, (_, text) in COMMANDS.items()]
    lines += [
        "",
        "DIR holds main.cf and master.cf (default: $MAIL_CONFIG, else /etc/gatepost if present, else /etc/postfix).",
        "",
    ]
    return "\n".join(lines)
