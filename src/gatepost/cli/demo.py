"""`gatepost demo [--dir DIR]`: a complete mail system with nothing configured. No root, no other server, no network."""

import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

_MAIN_CF = """\
# The configuration of `gatepost demo`, written once and yours to change: `gatepost -c {conf} reload` reads it again.
# Every parameter is one of Postfix's; `gatepost -c {conf} postconf` shows them all.
compatibility_level = 3.6

# Where it lives, and as whom
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
mail_owner = {owner}

# Who we are
myhostname = mail.example.test
mydestination = localhost
inet_interfaces = loopback-only
mynetworks_style = host
alias_maps =
alias_database =

# One virtual domain with one mailbox, a Maildir: {dir}/Maildir/demo
virtual_mailbox_domains = example.test
virtual_mailbox_base = {dir}/Maildir
virtual_mailbox_maps = inline:{{ {{ demo@example.test = demo/ }} }}
virtual_alias_maps = inline:{{ {{ postmaster@example.test = demo@example.test }}, {{ hello@example.test = demo@example.test }} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = {uid}

# Spam and unwanted files are refused before they are accepted; for viruses name a clamd: filter_virus_scanner
filter_before_queue = yes

# Anybody may write to example.test; only this machine may write elsewhere
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
"""

_MASTER_CF = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_relay_restrictions=permit_mynetworks,reject
"""

_SMTP, _SUBMISSION = 2525, 2587


def main(argv: Sequence[str]) -> int:
    """Write the configuration if it is not there yet, say what to try, and run until Ctrl-C."""
    arguments = list(argv[1:])
    folder = Path("gatepost-demo")
    while arguments:
        option = arguments.pop(0)
        name, equals, value = option.partition("=")
        if name != "--dir" or not (equals or arguments):
            sys.stderr.write("usage: gatepost demo [--dir DIR]\n")
            return os.EX_USAGE
        folder = Path(value if equals else arguments.pop(0))
    folder = folder.absolute()
    try:
        conf = write_configuration(folder)
    except OSError as error:
        sys.stderr.write(f"gatepost: fatal: {error.filename}: {error.strerror}; name another folder with --dir\n")
        return 1
    from gatepost.cli.postfix import run

    return run(conf, lambda: _greet(folder, conf), demo=True)


def write_configuration(folder: Path) -> Path:
    """The configuration directory of the demo in `folder`, made if it is missing. Raises OSError."""
    conf = folder / "conf"
    if (conf / "main.cf").exists():
        return conf
    conf.mkdir(parents=True, exist_ok=True)
    user = _owner(folder)
    if not (mailboxes := folder / "Maildir").exists():
        mailboxes.mkdir()
        if os.getuid() == 0:
            os.chown(mailboxes, user.pw_uid, user.pw_gid)
    (conf / "master.cf").write_text(_MASTER_CF.format(smtp=_SMTP, submission=_SUBMISSION))
    (conf / "main.cf").write_text(_MAIN_CF.format(dir=folder, conf=conf, owner=user.pw_name, uid=user.pw_uid, gid=user.pw_gid))
    return conf


def _owner(folder: Path) -> pwd.struct_passwd:
    """Who runs the mail system: whoever started the demo; `nobody` for root, where nobody can enter the folder."""
    me = pwd.getpwuid(os.getuid())
    if me.pw_uid != 0 or not all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents)):
        return me
    return pwd.getpwnam("nobody")


def _greet(folder: Path, conf: Path) -> None:
    sys.stdout.write(f"""\
gatepost demo: serving example.test

  SMTP        127.0.0.1:{_SMTP}     submission  127.0.0.1:{_SUBMISSION}
  mailbox     demo@example.test -> {folder}/Maildir/demo
  log         {folder}/mail.log
  settings    {conf}/main.cf

Try, in another terminal:

  printf 'Subject: hello\\n\\nfirst message\\n' | curl -s smtp://127.0.0.1:{_SMTP} --mail-from you@example.com \\
      --mail-rcpt demo@example.test -T -
  cat {folder}/Maildir/demo/new/*
  tail {folder}/mail.log

Ctrl-C stops it. Nothing leaves this machine unless you send it elsewhere.
""")
    sys.stdout.flush()
