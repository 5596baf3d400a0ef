"""`gatepost user`: who may log in, in a user file (`smtpd_auth_backends = file:PATH`)."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gatepost.cli.command import Command, Fatal, octets, run, wrong_call

_USAGE = """\
usage: gatepost user [-c config_dir] [-f file] COMMAND
  add [--scram|--no-scram] LOGIN
                                a new user
  passwd [--scram|--no-scram] LOGIN
                                another password
  list [LOGIN]                  the users; application passwords of one
  list --no-scram               the passwords because of which SCRAM is not offered
  delete LOGIN                  the user is gone, with all passwords
  app-password LOGIN LABEL      make a password for one program, and print it
  app-password --revoke LOGIN LABEL
The password of add and passwd is asked for at the terminal, else it is the first line of standard input. It gets SCRAM keys where
--scram says so, or without a word where the old password has some or, of a new user, all others. The file is the first `file:` of
smtpd_auth_backends, where -f names none."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong or there is no such user; 64 for a wrong call."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:f:", ["revoke", "scram", "no-scram"])
        named = dict(options)
        words = operands[1:]
        least, most, body = _COMMANDS[" ".join([*operands[:1], *(name for name in named if name.startswith("--"))])]
        if not least <= len(words) <= most:
            raise ValueError
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    except (KeyError, ValueError):
        return wrong_call(_USAGE)
    command = Command("gatepost", "user", named.get("-c"))
    return run(command, lambda: _run(command, named.get("-f"), words, body), failure=1)


def _run(command: Command, file: str | None, words: list[str], body: "_Body") -> int:
    from gatepost.auth.backends.user_file_edit import Refusal

    path = Path(file) if file else _configured(command)
    try:
        return body(command, path, words)
    except Refusal as refusal:
        raise Fatal(str(refusal), logged=False) from None
    except FileNotFoundError as error:
        raise Fatal(f"{error.filename or path}: there is no such file or folder", logged=False) from None
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}", logged=False) from None


_Body = Callable[[Command, Path, list[str]], int]


def _configured(command: Command) -> Path:
    """The file that the configuration names. Raises Fatal."""
    from gatepost.auth.backends.choice import words
    from gatepost.config.configuration import ConfigurationError

    configuration = command.configuration
    try:
        for overrides in ({}, *(entry.overrides for entry in configuration.services)):
            for word in words(configuration.value("smtpd_auth_backends", overrides)):
                if word.startswith("file:"):
                    return Path(word.removeprefix("file:"))
    except ConfigurationError as error:
        raise Fatal(str(error), logged=False) from None
    raise Fatal(
        "no user file is configured: name one by -f, or write smtpd_auth_backends = file:/etc/postfix/users into main.cf",
        logged=False,
    )


def _set_password(command: Command, path: Path, words: list[str], *, new: bool, scram: bool | None) -> int:
    """`scram`: with keys, without, or as is usual in the file (None)."""
    from gatepost.auth.backends import stored_password, user_file_edit, user_file_scram
    from gatepost.auth.backends.user_file import Entry

    login = words[0]
    user_file_edit.check_login(login)
    password = _password(login)
    user_file_edit.check_password(password)
    stored = stored_password.hashed(password)

    def with_keys(text: str, entry: Entry) -> Entry:
        wanted = user_file_scram.are_usual(text, login) if scram is None else scram
        return user_file_scram.with_keys(text, entry, password) if wanted else entry

    _change(command, path, lambda text: user_file_edit.with_password(text, login, stored, new=new, scram=with_keys))
    return 0


def _list(command: Command, path: Path, words: list[str]) -> int:
    from gatepost.auth.backends import user_file, user_file_edit

    text = user_file.read(str(path))
    for line, entry in user_file.entries(text):
        if isinstance(entry, str):
            command.warn(f"{path}, line {line}: {entry}", logged=False)
    logins = user_file_edit.logins_of(text)
    if words and words[0] not in logins:
        raise user_file_edit.Refusal(f"there is no user {words[0]}")
    for name in user_file_edit.labels_of(text, words[0]) if words else logins:
        sys.stdout.write(f"{name}\n")
    return 0


def _list_without_keys(command: Command, path: Path, words: list[str]) -> int:
    from gatepost.auth.backends import user_file, user_file_scram

    for entry in user_file_scram.lacking(user_file.read(str(path))):
        sys.stdout.write(f"{entry.login} {entry.label}".rstrip() + "\n")
    return 0


def _delete(command: Command, path: Path, words: list[str]) -> int:
    from gatepost.auth.backends.user_file_edit import without_user

    _change(command, path, lambda text: without_user(text, words[0]), existing=True)
    return 0


def _app_password(command: Command, path: Path, words: list[str]) -> int:
    from gatepost.auth.backends import user_file_edit, user_file_scram
    from gatepost.auth.backends.user_file import Entry

    login, label = words
    user_file_edit.check_login(login)
    user_file_edit.check_label(label)
    token, stored = user_file_edit.make_token()

    def with_keys(text: str, entry: Entry) -> Entry:
        return user_file_scram.with_keys(text, entry, token.encode())

    _change(command, path, lambda text: user_file_edit.with_application(text, login, stored, label, with_keys), existing=True)
    sys.stdout.write(f"{token}\n")
    return 0


def _revoke(command: Command, path: Path, words: list[str]) -> int:
    from gatepost.auth.backends.user_file_edit import without_application

    login, label = words
    _change(command, path, lambda text: without_application(text, login, label), existing=True)
    return 0


_COMMANDS: dict[str, tuple[int, int, _Body]] = {
    "add": (1, 1, partial(_set_password, new=True, scram=None)),
    "add --scram": (1, 1, partial(_set_password, new=True, scram=True)),
    "add --no-scram": (1, 1, partial(_set_password, new=True, scram=False)),
    "passwd": (1, 1, partial(_set_password, new=False, scram=None)),
    "passwd --scram": (1, 1, partial(_set_password, new=False, scram=True)),
    "passwd --no-scram": (1, 1, partial(_set_password, new=False, scram=False)),
    "list": (0, 1, _list),
    "list --no-scram": (0, 0, _list_without_keys),
    "delete": (1, 1, _delete),
    "app-password": (2, 2, _app_password),
    "app-password --revoke": (2, 2, _revoke),
}
"""Name and option to (least and most operands, what is done)."""


def _change(command: Command, path: Path, edit: Callable[[str], str], *, existing: bool = False) -> None:
    from gatepost.auth.backends.user_file_edit import change

    if existing:
        os.stat(path)
    change(path, edit, _owner(command))


def _owner(command: Command) -> tuple[int, int]:
    """Whose a new file is: root's, and the mail system's group may read it."""
    import pwd

    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    try:
        return 0, pwd.getpwnam(command.value("mail_owner")).pw_gid
    except KeyError:
        raise Fatal(f"parameter mail_owner: unknown user name value: {command.value('mail_owner')}", logged=False) from None


def _password(login: str) -> bytes:
    """From the terminal, twice and without an echo; else the first line of standard input. Raises Refusal."""
    from getpass import getpass

    from gatepost.auth.backends.user_file_edit import LONGEST_PASSWORD, Refusal

    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline(LONGEST_PASSWORD + 3)
        return line.removesuffix(b"\n").removesuffix(b"\r")
    first = getpass(f"Password of {login}: ")
    if getpass("Again: ") != first:
        raise Refusal("these were two different passwords: nothing is changed")
    return first.encode("utf-8", "surrogateescape")
