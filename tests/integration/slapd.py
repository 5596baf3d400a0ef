"""A private slapd: its own directory, port and certificate; never the host's."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.integration.ports import listens
from tests.support import certificate as certificates
from tests.support import running
from tests.support.free_ports import free_port
from tests.support.running import wait_for

BASE = "dc=example,dc=com"
ADMIN, PASSWORD = f"cn=admin,{BASE}", "se cret"

_SCHEMA = """\
attributetype ( 1.3.6.1.4.1.55555.1 NAME 'mailacceptinggeneralid' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.2 NAME 'maildrop' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.3 NAME 'memberdn' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
attributetype ( 1.3.6.1.4.1.55555.4 NAME 'memberurl' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.55555.9 NAME 'mailUser' SUP top AUXILIARY
  MAY ( mailacceptinggeneralid $ maildrop $ memberdn $ memberurl ) )
"""

_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include {dir}/mail.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/slapd.pid
TLSCACertificateFile {dir}/tls/ca.pem
TLSCertificateFile {dir}/tls/chain.pem
TLSCertificateKeyFile {dir}/tls/key.pem
TLSVerifyClient never
database mdb
maxsize 268435456
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {dir}/db
index objectClass,mailacceptinggeneralid eq
"""

Attributes = Mapping[str, Sequence[str]]


def person(name: str, **attributes: Sequence[str]) -> tuple[str, Attributes]:
    """An entry `cn=NAME`: (its dn, its attributes)."""
    escaped = re.sub(r"([,+#])", r"\\\1", name)
    return f"cn={escaped},{BASE}", {"objectClass": ["device", "mailUser"], "cn": [name], **attributes}


class Slapd:
    """A directory with `entries`.

    `loglevel`: what it logs (slapd.conf(5));
    `port`: where it takes LDAP, `secure_port`: LDAP over TLS, `path`: of its UNIX-domain socket.
    """

    def __init__(self, entries: Sequence[tuple[str, Attributes]], loglevel: str = "stats") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slapd-"))
        self.folder.chmod(0o755)
        self.port, self.secure_port, self.path = free_port(), free_port(), self.folder / "ldapi"
        self._loglevel = loglevel
        self.authority = certificates.make(self.folder / "tls", "ldap.test,IP:127.0.0.1").authority
        (self.folder / "db").mkdir()
        (self.folder / "mail.schema").write_text(_SCHEMA)
        self._conf = self.folder / "slapd.conf"
        self._conf.write_text(_CONFIGURATION.format(dir=self.folder, base=BASE, admin=ADMIN, password=PASSWORD))
        root = (BASE, {"objectClass": ["dcObject", "organization"], "dc": ["example"], "o": ["example"]})
        text = "\n".join(map(_ldif, [root, *entries]))
        subprocess.run(["slapadd", "-q", "-f", self._conf], input=text, text=True, check=True, capture_output=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        path = str(self.path).replace("/", "%2F")
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.secure_port} ldapi://{path}"
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(["slapd", "-d", self._loglevel, "-h", urls, "-f", self._conf], stdout=log, stderr=log)
        log.close()
        wait_for(lambda: listens(self.port), lambda: f"a listening slapd\n{self.log()[-2000:]}")

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """As a machine that fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self, still: bool = True) -> None:
        """Let it hang, or go on."""
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP if still else signal.SIGCONT)
        if still:
            wait_for(lambda: running.still(pid), "slapd to hang")

    def clean(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _ldif(entry: tuple[str, Attributes]) -> str:
    import base64

    dn, attributes = entry
    pairs = [("dn", dn), *((name, value) for name, values in attributes.items() for value in values)]
    return "".join(f"{name}:: {base64.b64encode(value.encode()).decode()}\n" for name, value in pairs)
