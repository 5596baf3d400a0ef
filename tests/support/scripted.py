"""A next hop that follows a script: which octets it says where, whatever a server should say there.

A script is a text. `#` lines say what it is about; `NAME = VALUE` lines are parameters of the client, or settings of the test (see
Script); `WHERE: REPLY` lines are what comes in place of the usual reply, lines with the same WHERE making one reply.

WHERE is GREETING, EHLO, STARTTLS, HANDSHAKE, AUTH, RESPONSE (after 334), MAIL, RCPT, DATA, DOT (the end of the content), RSET or
QUIT; `TLS-EHLO` and so on: the same over TLS; `RCPT 2`: the second one in a conversation. In a REPLY, `\\r \\n \\0 \\xff` are
octets and `\\` at its end leaves out the CRLF; `<close>` hangs up, `<silence>` waits for the client to go, `<times 3000>` before
a line says it that often, `<pause>` lets a moment pass.
"""

import contextlib
import re
import socket
import socketserver
import ssl
import threading
import time
from pathlib import Path

from msgspec import Struct

_USUAL = {
    "GREETING": ["220 odd.example ESMTP"],
    "EHLO": ["250-odd.example", "250-STARTTLS", "250 8BITMIME"],
    "TLS-EHLO": ["250-odd.example", "250 8BITMIME"],
    "STARTTLS": ["220 2.0.0 go ahead"],
    "AUTH": ["235 2.7.0 welcome"],
    "MAIL": ["250 2.1.0 ok"],
    "RCPT": ["250 2.1.5 ok"],
    "DATA": ["354 go ahead"],
    "DOT": ["250 2.0.0 taken"],
    "QUIT": ["221 2.0.0 bye"],
}
_OTHERWISE = ["250 2.0.0 ok"]
_LINE = re.compile(r"(?:TLS-)?[A-Z]+(?: \d+)?")


class Script(Struct, frozen=True):
    """- `about`: what it is;
    - `replies`: lines by WHERE;
    - `parameters` of the client;
    - `recipients`: how many the message has;
    - `attempts`: how many of the client's are looked at;
    - `service`: the client, smtp or lmtp;
    - `ours` (`OURS: `), `our_log` (`OUR-LOG: `): outcomes and log lines of ours where they differ on purpose, else empty.
    """

    about: str
    replies: dict[str, list[str]]
    parameters: dict[str, str]
    recipients: int
    attempts: int
    service: str
    ours: list[str]
    our_log: list[str]

    @classmethod
    def load(cls, file: Path) -> "Script":
        """The script in a file."""
        return cls.of(file.read_text())

    @classmethod
    def of(cls, text: str) -> "Script":
        """The script that a text is."""
        about, replies, parameters = "", dict[str, list[str]](), dict[str, str]()
        own: dict[str, list[str]] = {"OURS": [], "OUR-LOG": []}
        for line in text.splitlines():
            where, colon, reply = line.partition(":")
            if line.startswith("#"):
                about += line[1:].strip() + " "
            elif where in own:
                own[where].append(reply.strip())
            elif colon and _LINE.fullmatch(where):
                replies.setdefault(where, []).append(reply.removeprefix(" "))
            elif line:
                name, _, value = line.partition(" = ")
                parameters[name] = value
        recipients, attempts = (int(parameters.pop(name, "1")) for name in ("recipients", "attempts"))
        service = parameters.pop("service", "smtp")
        return cls(about.strip(), replies, parameters, recipients, attempts, service, own["OURS"], own["OUR-LOG"])


class ScriptedServer:
    """A server on `port` of 127.0.0.1. `commands`: what it was sent, a list a conversation, TLS ones after `tls`; `over`: how
    many of these have ended; `taken`: how often the content came whole; `contents`: those, as they came, without the dot;
    `in_clear`: every octet that came without TLS."""

    def __init__(self, script: Script, context: ssl.SSLContext) -> None:
        self.commands: list[list[str]] = []
        self.over = self.taken = 0
        self.contents: list[bytes] = []
        self.in_clear = b""
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, EOFError):
                    _Conversation(server, script, self.request, context).run()
                server.over += 1

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "ScriptedServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    def __init__(self, server: ScriptedServer, script: Script, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._server, self._script, self._connection, self._context = server, script, connection, context
        self._connection.settimeout(30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._commands: list[str] = []
        self._counts: dict[str, int] = {}
        self._rest = b""
        self._secure = False

    def run(self) -> None:
        self._server.commands.append(self._commands)
        reply = self._say("GREETING")
        if not reply:
            return
        while True:
            line = self._until(b"\r\n").decode("latin-1")
            self._commands.append(line)
            verb = "RESPONSE" if reply.startswith(b"334") else line.partition(" ")[0].upper().replace("LHLO", "EHLO")
            reply = self._say(verb)
            if verb == "STARTTLS" and b"220" in reply:
                self._handshake()
            elif verb == "DATA" and b"354" in reply:
                self._server.contents.append(self._until(b"\r\n.\r\n", b"\r\n")[2:])
                self._server.taken += 1
                self._say("DOT")
            elif verb == "QUIT":
                return

    def _handshake(self) -> None:
        if "HANDSHAKE" in self._script.replies:
            self._say("HANDSHAKE")
        self._connection = self._context.wrap_socket(self._connection, server_side=True)
        self._commands.append("tls")
        self._secure, self._rest = True, b""

    def _say(self, where: str) -> bytes:
        """Say what the script has for `where`, and return it."""
        where = f"TLS-{where}" if self._secure else where
        count = self._counts[where] = self._counts.get(where, 0) + 1
        plain = where.removeprefix("TLS-")
        names = (f"{where} {count}", where, f"{plain} {count}", plain) if where != "TLS-EHLO" else (f"{where} {count}", where)
        replies = self._script.replies
        lines = next((found for name in names if (found := replies.get(name))), None) or _USUAL.get(where) or _USUAL.get(plain)
        said = b""
        for line in lines or _OTHERWISE:
            said += self._line(line)
        return said

    def _line(self, line: str) -> bytes:
        times = re.match(r"<times (\d+)> ?", line)
        count, line = (int(times[1]), line[times.end() :]) if times else (1, line)
        if line == "<close>":
            raise EOFError
        if line == "<silence>":
            while self._connection.recv(65536):
                pass
            raise EOFError
        if line == "<pause>":
            time.sleep(0.2)  # for the client to have read what came before
            return b""
        octets = b"" if line.endswith("\\") else b"\r\n"
        octets = line.removesuffix("\\").encode("latin-1").decode("unicode_escape").encode("latin-1") + octets
        self._connection.sendall(octets * count)
        return octets

    def _until(self, mark: bytes, before: bytes = b"") -> bytes:
        data = before + self._rest
        while mark not in data:
            more = self._connection.recv(65536)
            if not more:
                raise EOFError
            if not self._secure:
                self._server.in_clear += more
            data += more
        found, _, self._rest = data.partition(mark)
        return found
