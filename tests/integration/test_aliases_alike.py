"""What becomes of mail to local aliases, beside Postfix: right sides of aliases(5), usual and odd."""

import re
import shutil
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.running import System, wait_for

_RIGHT_SIDES = {
    "user": "games",
    "two": "games, lp",
    "blanks": "games lp",
    "again": "games, games, GAMES",
    "address": "box@example.net, x+e@example.net",
    "quoted": '"a b"@example.net, "games"',
    "phrase": "Full Name <games>, (remark) lp (another)",
    "group": "group: games, lp;",
    "route": "<@x.test:games>",
    "backslash": "\\games, \\user",
    "alias": "two, user",
    "circle": "circle, games",
    "unknown": "nobody-here, games",
    "command": '"|cat >/dev/null", "|exit 67"',
    "bare command": "|true, games",
    "file": "{folder}/file, games",
    "no folder": "{folder}/no/such, games",
    "list": ":include:{folder}/list, lp",
    "quoted list": '":include: {folder}/list"',
    "no list": ":include:/no/such, games",
    "relative list": ":include:list, games",
    "list of nobody": ":include:{folder}/nobody",
    "empty quotes": '""',
    "remark alone": "(games)",
    "open remark": "(games, lp",
    "empty group": "group:;",
    "null address": "<>",
    "comma": ",",
    "semicolon": "games; lp",
    "among others": "games, comma",
    "reserved": "mailer-daemon",
    "owned": "games",
    "owner-owned": "lp",
}
_FILES = {"list": "games\n# remark\nlp, news\n\n", "nobody": "# nobody\n()\n"}
_MAIN = {
    "smtpd_peername_lookup": "no",
    "local_recipient_maps": "",
    "mydestination": "local.test",
    "myhostname": "next.example.net",
    "myorigin": "local.test",
    "alias_maps": "texthash:{folder}/aliases",
    "mail_spool_directory": "{folder}/spool",
    "allow_mail_to_commands": "alias, forward, include",
    "allow_mail_to_files": "alias, forward, include",
    "default_privs": "daemon",
    "bounce_queue_lifetime": "0",
    "maximal_queue_lifetime": "0",
}


def _key(name: str) -> str:
    return name.replace(" ", ".")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Aliases, lists and mailboxes."""
    folder = Path(tempfile.mkdtemp(prefix="aliases-"))
    folder.chmod(0o755)
    fill = lambda text: text.replace("{folder}", str(folder))  # noqa: E731
    (folder / "aliases").write_text("".join(f"{_key(name)} {fill(text)}\n" for name, text in _RIGHT_SIDES.items()))
    for name, text in _FILES.items():
        (folder / name).write_text(text)
    (folder / "file").touch()
    shutil.chown(folder / "file", "daemon")
    (folder / "spool").mkdir()
    (folder / "spool").chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def _endings(port: int, log: Callable[[], str]) -> str:
    """How mail to each alias ends, and what is warned of, a line each."""
    with smtplib.SMTP("127.0.0.1", port, "client.example", 30) as client:
        for name in _RIGHT_SIDES:
            message = f"Message-ID: <{_key(name)}@x>\r\n\r\nbody\r\n"
            client.sendmail("sender@example.net", [f"{_key(name)}@local.test"], message)
    ids = re.compile(r": (\w+): message-id=<(.+)@x>")
    names = lambda: dict(ids.findall(log()))  # noqa: E731
    wait_for(lambda: set(names().values()) == {_key(name) for name in _RIGHT_SIDES}, "each message")
    wait_for(lambda: all(f"{queue_id}: removed" in log() for queue_id in names()), lambda: f"the end of all\n{log()}", 30)
    found = {*re.findall(r"/local\[\d+\]: (warning: (?:no recipient|required alias|.*:include:).*)", log())}
    for queue_id, recipients, ending in re.findall(r": (\w+): (to=<.*?), relay=.*(dsn=.*)", log()):
        if queue_id in names():
            found.add(f"{names()[queue_id]}: {recipients}, {re.sub(r'forwarded as .*', 'forwarded)', ending)}")
    return "\n".join(sorted(found))


def test_mail_to_aliases_ends_as_in_postfix(folder: Path) -> None:
    main = {name: value.replace("{folder}", str(folder)) for name, value in _MAIN.items()}
    port = free_port()
    service = f"127.0.0.1:{port} inet n - n - - smtpd\nlocal unix - n n - - local\n"
    postfix = Postfix("".join(f"{name} = {value}\n" for name, value in main.items()), service)
    try:
        theirs = _endings(port, lambda: postfix.log)
    finally:
        postfix.clean()
    boxes = {"virtual_mailbox_domains": "example.net", "virtual_mailbox_base": "{dir}/mail", "virtual_mailbox_maps": "static:box/"}
    boxes |= {"virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}
    (folder / "file").write_text("")
    shutil.rmtree(folder / "spool")
    (folder / "spool").mkdir()
    (folder / "spool").chmod(0o1777)
    with System(main | boxes) as system:
        (system.folder / "mail").mkdir()
        shutil.chown(system.folder / "mail", "nobody")
        assert _endings(system.port, system.log) == theirs
