"""Thunderbird without a screen, driven by Marionette (the remote protocol of Mozilla's programs: JSON behind its length)."""

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.free_ports import free_port
from tests.support.running import wait_for

_SCRIPT = Path(__file__).with_suffix(".js")
_PATIENCE = 60.0  # seconds for a step
_PREFERENCES = """\
user_pref("marionette.port", {port});
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


class Marionette:
    """A connection to a program that listens with `--marionette`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._heard()  # what it is

    def say(self, name: str, **parameters: Any) -> Any:
        """A command, and its result. Raises AssertionError where it fails."""
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._heard()
        assert error is None, error
        return result

    def _heard(self) -> Any:
        length = b""
        while (octet := self._file.read(1)) != b":":
            assert octet, "it has hung up"
            length += octet
        return json.loads(self._file.read(int(length)))

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def send(*arguments: Any) -> Any:
    """Start Thunderbird with a profile of its own, have it run thunderbird.js with these arguments, and end it; what that told."""
    with tempfile.TemporaryDirectory(prefix="thunderbird-", ignore_cleanup_errors=True) as home:
        port, output = free_port(), Path(home, "output")
        Path(home, "user.js").write_text(_PREFERENCES.format(port=port))
        command = ["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", home]
        with output.open("wb") as stream:
            process = subprocess.Popen(command, env={**os.environ, "HOME": home}, stdout=stream, stderr=stream)
        try:
            connection = wait_for(lambda: _connected(port), lambda: f"Thunderbird's Marionette\n{output.read_text()}", _PATIENCE)
            return _told(connection, arguments)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _told(connection: Marionette, arguments: tuple[Any, ...]) -> Any:
    try:
        connection.say("WebDriver:NewSession", capabilities={})
        connection.say("Marionette:SetContext", value="chrome")
        connection.say("WebDriver:SetTimeouts", script=int(_PATIENCE * 1000))
        return connection.say("WebDriver:ExecuteAsyncScript", script=_SCRIPT.read_text(), args=list(arguments))["value"]
    finally:
        connection.close()


def _connected(port: int) -> Marionette | None:
    try:
        return Marionette(port)
    except OSError:
        return None
