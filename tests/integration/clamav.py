"""A real clamd with a few signatures, and mail in every wrapping around what it finds."""

import base64
import binascii
import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.support.archives import tarred, zipped
from tests.support.running import wait_for

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"
TESTFILES = Path("/usr/share/clamav-testfiles")
USER = "clamav" if os.getuid() == 0 else ""

_CLAMD = """\
LocalSocket {folder}/run/clamd.ctl
PidFile {folder}/run/clamd.pid
FixStaleSocket true
DatabaseDirectory {folder}/db
TemporaryDirectory {folder}/tmp
LogFile {folder}/log/clamd.log
MaxRecursion 16
StreamMaxLength 1M
AlertExceedsMax true
SelfCheck 600
Foreground false
"""
_FRESHCLAM = """\
DatabaseDirectory {folder}/db
UpdateLogFile {folder}/log/freshclam.log
PrivateMirror 127.0.0.1:{port}
DatabaseCustomURL http://127.0.0.1:{port}/more.hdb
ExcludeDatabase main
ExcludeDatabase daily
ExcludeDatabase bytecode
ScriptedUpdates no
NotifyClamd {folder}/clamd.conf
Checks 24
"""


class ClamAv:
    """A folder with clamd.conf, freshclam.conf and signatures, and what is run with them."""

    def __init__(self, mirror: int = 0) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="clamav-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "run" / "clamd.ctl"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("run", "db", "tmp", "log"):
            (self.folder / name).mkdir()
            if USER:
                shutil.chown(self.folder / name, USER, USER)
        self.configure("")
        owner = f"DatabaseOwner {USER}\n" if USER else ""
        (self.folder / "freshclam.conf").write_text(owner + _FRESHCLAM.format(folder=self.folder, port=mirror))
        self.sign("own.hdb", "Eicar-Test-Signature", EICAR)
        self.sign("clam.hdb", "ClamAV-Test-File", (TESTFILES / "clam.exe").read_bytes())
        (self.folder / "db" / "own.ndb").write_text(f"Eicar-Anywhere:0:*:{EICAR.hex()}\n")

    def configure(self, more: str) -> None:
        user = f"User {USER}\n" if USER else ""
        (self.folder / "clamd.conf").write_text(user + _CLAMD.format(folder=self.folder) + more)

    def sign(self, file: str, name: str, octets: bytes, where: Path | None = None) -> None:
        line = f"{hashlib.md5(octets).hexdigest()}:{len(octets)}:{name}\n"
        ((where or self.folder / "db") / file).write_text(line)

    def start(self) -> None:
        """Run it, not by Gatepost, and wait until it answers."""
        command = ["clamd", "--foreground", f"--config-file={self.folder}/clamd.conf"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, lambda: f"an answer of clamd\n{self.log()}")

    @property
    def pid(self) -> int:
        """Of the one that start() has begun."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "log" / "clamd.log").read_text() if (self.folder / "log" / "clamd.log").exists() else ""

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.socket))
                connection.sendall(b"zPING\0")
                return connection.recv(10) == b"PONG\0"
        except OSError:
            return False

    def clean(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder)


def base64_part(octets: bytes, name: str = "file.bin", headers: bytes = b"") -> bytes:
    return (
        b"Content-Type: application/octet-stream; name=%b\r\nContent-Transfer-Encoding: base64\r\n%b\r\n" % (name.encode(), headers)
        + base64.encodebytes(octets).replace(b"\n", b"\r\n")
    )  # fmt: skip


def message(*parts: bytes, boundary: bytes = b"b") -> bytes:
    head = b"From: a@example.com\r\nTo: b@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    between = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    return head + b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n%b--%b--\r\n' % (boundary, between, boundary)


def attached(inner: bytes) -> bytes:
    return message(b"Content-Type: message/rfc822\r\n\r\n" + inner, boundary=hashlib.md5(inner).hexdigest().encode())


def uuencoded(octets: bytes) -> bytes:
    lines = [binascii.b2a_uu(octets[at : at + 45]).replace(b"\n", b"\r\n") for at in range(0, len(octets), 45)]
    return b"begin 644 evil.com\r\n" + b"".join(lines) + b"`\r\nend\r\n"


def tnef(octets: bytes) -> bytes:
    def attribute(kind: int, value: bytes) -> bytes:
        return b"\2" + struct.pack("<II", kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(
        attribute(kind, value) for kind, value in ((0x69002, bytes(14)), (0x18010, b"evil.com\0"), (0x6800F, octets))
    )


def wrappings() -> Iterable[tuple[str, bytes]]:
    """(what it is, a message) with EICAR in it."""
    quoted = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    link = b'<a href="data:application/octet-stream;base64,%b">x</a>' % base64.b64encode(EICAR)
    packed = zipped(("evil.com", EICAR))
    deep = packed
    for index in range(8):
        deep = zipped((f"{index}.zip", deep))
    yield "plain", b"Subject: x\r\n\r\n" + EICAR + b"\r\n"
    yield "base64", message(base64_part(EICAR))
    yield "quoted-printable", message(quoted + b"".join(b"=%02X" % octet for octet in EICAR))
    yield "uuencode", b"Subject: x\r\n\r\nsee\r\n\r\n" + uuencoded(EICAR)
    yield "zip", message(base64_part(packed))
    yield "zip in zip in zip ...", message(base64_part(deep))
    yield "tar.gz", message(base64_part(tarred(("evil.com", EICAR), mode="w:gz")))
    yield "gz", message(base64_part(gzip.compress(EICAR)))
    yield "bz2", message(base64_part(bz2.compress(EICAR)))
    yield "xz", message(base64_part(lzma.compress(EICAR)))
    yield "zip by lzma", message(base64_part(zipped(("evil.com", EICAR), method=zipfile.ZIP_LZMA)))
    yield "lzma", message(base64_part(lzma.compress(EICAR, lzma.FORMAT_ALONE)))
    yield "an attached message in an attached message", attached(attached(message(base64_part(packed))))
    yield "winmail.dat", message(base64_part(tnef(packed), "winmail.dat"))
    yield "html", message(b"Content-Type: text/html\r\n\r\n<html><body>" + link + b"</body></html>\r\n")
    yield "two boundaries", message(base64_part(packed)).replace(b"boundary=", b'boundary="x"; boundary=', 1)
    yield "two encodings", message(base64_part(packed, headers=b"Content-Transfer-Encoding: 7bit\r\n"))
    halves = base64.b64encode(packed[:10]) + b"\r\n" + base64.b64encode(packed[10:])
    yield "base64 with an end within", message(base64_part(b"") + halves + b"\r\n")
