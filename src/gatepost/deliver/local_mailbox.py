"""The end of a local delivery: a mailbox, a file or a command, written or run by the agent process as the user it belongs to."""

import os
import stat
import time
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from gatepost.config.expand import ExpansionError
from gatepost.deliver.command import cannot_run, command_words, failure_of
from gatepost.deliver.local_delivery import LocalDelivery, Position
from gatepost.deliver.local_form import line_feeds, quote_from_lines
from gatepost.deliver.local_names import Rights, censored, expand_names, unprivileged
from gatepost.deliver.local_settings import House, LocalSettings
from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.privileged import Failed, RunCommand, WriteMaildir, WriteMbox, outcome_of
from gatepost.events.records import Note
from gatepost.mail.address import external, to_bytes
from gatepost.mail.ascii_text import elements
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.outcome import Outcome, bounced, deferred, sent
from gatepost.mail.reason import because

_MISCONFIGURED = "mail system configuration error"
COMMAND_PATH = "/usr/bin:/bin"

# The environment of commands: variable -> attribute of the message, where it is known (local(8)).
_CLIENT = {
    "CLIENT_ADDRESS": "log_client_address",
    "CLIENT_HELO": "log_helo_name",
    "CLIENT_HOSTNAME": "log_client_name",
    "CLIENT_PROTOCOL": "log_protocol_name",
    "SASL_METHOD": "sasl_method",
    "SASL_SENDER": "sasl_sender",
    "SASL_USERNAME": "sasl_username",
}


OF_MESSAGE = frozenset(("USER", "EXTENSION", "LOCAL", "DOMAIN", "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", *_CLIENT))
"""The variables whose values messages decide."""


def lock_rules(settings: LocalSettings) -> LockRules:
    """How an mbox is locked."""
    return LockRules(
        tuple(_words(settings.mailbox_delivery_lock)),
        settings.deliver_lock_attempts,
        settings.deliver_lock_delay,
        settings.stale_lock_time,
    )


class LocalMailbox:
    """Delivers to mailboxes, files and commands. `default`: the rights of default_privs."""

    def __init__(self, settings: LocalSettings, house: House, default: Rights) -> None:
        self._settings = settings
        self._house = house
        self._default = default
        self._commands = house.tables.for_rights().maps(settings.mailbox_command_maps, "mailbox_command_maps")
        self._locks = lock_rules(settings)
        self._command_lists = frozenset(_words(settings.allow_mail_to_commands))
        self._file_lists = frozenset(_words(settings.allow_mail_to_files))
        self._marked = frozenset(_words(settings.prepend_delivered_header))

    def _warn(self, text: str) -> None:
        self._house.emit(Note("local", text, "warning"))

    def values(self, request: DeliveryRequest, at: Position, user: Rights) -> Callable[[str], str]:
        """The `$name`s of forward_path, luser_relay and command_execution_directory."""
        name = at.name
        known = {
            "user": name.user,
            "local": name.local,
            "domain": name.domain,
            "extension": name.extension,
            "recipient": at.recipient.address,
            "recipient_delimiter": name.delimiter,
            "home": user.home,
            "shell": user.shell,
        }
        for variable, attribute in _CLIENT.items():
            known[variable.lower()] = request.message.envelope.attribute(attribute)
        return lambda wanted: known.get(wanted, "")

    # The user's own mailbox

    async def user(self, delivery: LocalDelivery, at: Position, user: Rights) -> bool:
        """To the mailbox of `user`: by mailbox_command(_maps), home_mailbox or mail_spool_directory."""
        if self._settings.require_home_directory and not await self._is_directory(user.home):
            at = at.led_by("require_home_directory", user.home, user.name)
            return delivery.report(at, deferred("cannot access home directory", "4.3.0"))
        at = replace(at, rights=user, forward="")
        found = None if self._commands.empty else await self._commands.find_in(at.name.user)
        if found:
            return await self._run(delivery, at.led_by("mailbox_command_maps", found[1], at.name.user), found[0])
        if command := self._settings.mailbox_command:
            return await self._run(delivery, at.led_by("mailbox_command", command, at.name.user), command)
        at = at.led_by("home_mailbox" if self._settings.home_mailbox else "mail_spool_directory", key=at.name.user)
        home, spool = self._settings.home_mailbox, self._settings.mail_spool_directory
        if home.endswith("/"):
            return await self._maildir(delivery, at, f"{user.home}/{home}")
        if home:
            return await self._mbox(delivery, at, self._box(f"{user.home}/{home}", user))
        if spool.endswith("/"):
            return await self._maildir(delivery, at, f"{spool}{at.name.user}/")
        status = await self._house.files.run(("spool", spool), lambda: _status(spool))
        return await self._mbox(delivery, at, _in_spool(self._box(f"{spool}/{at.name.user}", user), status))

    async def _is_directory(self, path: str) -> bool:
        """Whether there is such a folder, as far as we see. Raises LookupFailure where that is not known in time."""
        return await self._house.files.run(("folder", path), lambda: os.path.isdir(path))

    def _box(self, path: str, user: Rights, forward: str = "") -> Mailbox:
        settings = self._settings
        return Mailbox(path, user.uid, user.gid, settings.mailbox_size_limit, settings.strict_mailbox_ownership, forward=forward)

    async def _mbox(self, delivery: LocalDelivery, at: Position, box: Mailbox) -> bool:
        if delivery.request.probe:
            return delivery.report(at, sent("delivers to mailbox"))
        answer = await self._house.agent.ask(WriteMbox(box, self._locks), self._form(delivery, at, mbox=True, mark=True))
        if isinstance(answer, Failed):
            return self._failed(delivery, at, answer, box.path, f"cannot update mailbox {box.path} for user {at.name.user}. ")
        return delivery.report(at, sent("delivered to mailbox"))

    async def _maildir(self, delivery: LocalDelivery, at: Position, path: str) -> bool:
        if delivery.request.probe:
            return delivery.report(at, sent("delivers to maildir"))
        box = self._box(path, at.rights, at.forward)
        answer = await self._house.agent.ask(WriteMaildir(box), self._form(delivery, at, mbox=False, mark=True))
        if isinstance(answer, Failed):
            return self._failed(delivery, at, answer, path, "maildir delivery failed: ")
        return delivery.report(at, sent("delivered to maildir"))

    def _failed(self, delivery: LocalDelivery, at: Position, failure: Failed, path: str, prefix: str) -> bool:
        outcome = outcome_of(failure, prefix)
        if not at.why.table:  # no table has chosen the mailbox
            at = at.led_by(at.why.rule, path, at.why.key)
        return delivery.report(at, outcome)

    # Files and commands that aliases and .forward files name

    async def file(self, delivery: LocalDelivery, at: Position, path: str) -> bool:
        """Append to a file; a name that ends in `/` is a Maildir."""
        if not delivery.first_time("file", at.rights.uid, path):
            return True
        if at.listed_by not in self._file_lists:
            why = because("allow_mail_to_files", at.why.table, at.why.key, f"no file of {at.listed_by}")
            return delivery.report(at, bounced("mail to file is restricted", "5.7.1", why))
        if delivery.request.probe:
            return delivery.report(at, sent(f"delivers to file: {path}"))
        at = replace(at, rights=unprivileged(at.rights, self._default))
        if path.endswith("/"):
            return await self._maildir(delivery, at, path)
        box = replace(self._box(path, at.rights, at.forward), strict_ownership=False)
        form = self._form(delivery, at, mbox=True, mark="file" in self._marked)
        answer = await self._house.agent.ask(WriteMbox(box, self._locks, listed=True), form)
        if isinstance(answer, Failed):
            return self._failed(delivery, at, answer, path, f"cannot append message to file {path}: ")
        return delivery.report(at, sent(f"delivered to file: {path}"))

    async def command(self, delivery: LocalDelivery, at: Position, command: str) -> bool:
        """Run a command that a list of recipients names."""
        if at.listed_by not in self._command_lists:
            why = because("allow_mail_to_commands", at.why.table, at.why.key, f"no command of {at.listed_by}")
            return delivery.report(at, bounced("mail to command is restricted", "5.7.1", why))
        return await self._run(delivery, at, command)

    async def _run(self, delivery: LocalDelivery, at: Position, command: str) -> bool:
        if not delivery.first_time("command", at.name.user, at.rights.uid, command):
            return True
        if delivery.request.probe:
            return delivery.report(at, sent(f"delivers to command: {command}"))
        return delivery.report(at, await self._outcome(delivery, at, command))

    async def _outcome(self, delivery: LocalDelivery, at: Position, command: str) -> Outcome:
        settings, who = self._settings, unprivileged(at.rights, self._default)
        values = self.values(delivery.request, at, at.rights)
        try:
            folder = expand_names(settings.command_execution_directory, values, settings.execution_directory_expansion_filter)
        except ExpansionError as error:
            self._warn(f"command_execution_directory: {error}")
            why = because("command_execution_directory", key=at.name.user, reason=str(error))
            return deferred(_MISCONFIGURED, "4.3.5", why)
        request = RunCommand(
            command_words(command, settings.local_command_shell), who.uid, who.gid, settings.command_time_limit,
            self._environment(delivery, at), folder.text or settings.queue_directory,
            file_limit=settings.mailbox_size_limit, account=at.rights.name, forward=at.forward,
        )  # fmt: skip
        form = self._form(delivery, at, mbox=False, mark="command" in self._marked, from_line=True)
        answer = await self._house.agent.ask(request, form)
        if isinstance(answer, Failed):
            return cannot_run("local", answer)
        return failure_of(command, answer) or sent(f"delivered to command: {command}")

    def _environment(self, delivery: LocalDelivery, at: Position) -> dict[str, str]:
        """What a command is told, everything through command_expansion_filter; and what export_environment passes on."""
        envelope, name = delivery.request.message.envelope, at.name
        told = {
            "HOME": at.rights.home,
            "LOGNAME": at.rights.name or name.user,
            "SHELL": at.rights.shell,
            "USER": name.user,
            "EXTENSION": name.extension,
            "LOCAL": name.local,
            "DOMAIN": name.domain,
            "SENDER": at.sender,
            "RECIPIENT": at.recipient.address,
            "ORIGINAL_RECIPIENT": at.recipient.original,
        }
        for variable, attribute in _CLIENT.items():
            told[variable] = envelope.attribute(attribute)
        allowed = self._settings.command_expansion_filter
        filtered = {variable: censored(value, allowed) for variable, value in told.items() if value or variable == "SENDER"}
        return {"PATH": COMMAND_PATH, **self._house.environment, **filtered}

    def _form(self, delivery: LocalDelivery, at: Position, *, mbox: bool, mark: bool, from_line: bool = False) -> Iterator[bytes]:
        """The message with the headers of final delivery. `mark`: with Delivered-To; `mbox`: as an mbox holds it; `from_line`: only
        its `From ` line."""
        sender = to_bytes(external(at.sender))
        if mbox or from_line:
            stamp = time.asctime(time.localtime(self._house.clock())).encode()
            yield b"From " + (sender or b"MAILER-DAEMON") + b"  " + stamp + b"\n"
        headers = [b"Return-Path: <" + sender + b">\n"]
        if at.recipient.original:
            headers.append(b"X-Original-To: " + to_bytes(external(at.recipient.original)) + b"\n")
        if mark:
            headers.append(b"Delivered-To: " + to_bytes(external(at.delivered)) + b"\n")
        yield b"".join(headers)
        lines = line_feeds(delivery.request.message.content)
        if mbox:
            yield from quote_from_lines(lines)
            yield b"\n"
        else:
            yield from lines


def _words(text: str) -> list[str]:
    return elements(text)


def _in_spool(box: Mailbox, spool: os.stat_result | None) -> Mailbox:
    """Whose rights a mailbox in mail_spool_directory takes: the user's own where everybody may write to the directory, those of its
    group where only that may, else root's (local(8))."""
    if spool is None or spool.st_mode & stat.S_IWOTH:
        return box
    if spool.st_mode & stat.S_IWGRP:
        return replace(box, gid=spool.st_gid)
    return replace(box, privileged=spool.st_uid == 0)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
