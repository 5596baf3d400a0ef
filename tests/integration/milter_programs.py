"""Real filters: opendkim, rspamd and clamav-milter with clamd, each in a folder of its own, on ports of 127.0.0.1."""

import socket
import subprocess
from pathlib import Path

from tests.integration.ports import listens
from tests.support.free_ports import free_port
from tests.support.running import wait_for

EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Program:
    """A filter that runs. `name`: as main.cf names it; `port`: where it listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(mode=0o755)
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def name(self) -> str:
        return f"inet:127.0.0.1:{self.port}"

    def run(self, *command: str) -> None:
        output = open(self.folder / "output", "ab")
        self._processes.append(subprocess.Popen(command, stdout=output, stderr=output, cwd=self.folder))

    def listening(self) -> None:
        wait_for(lambda: listens(self.port), lambda: f"{type(self).__name__}\n{(self.folder / 'output').read_text()}", 60)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Opendkim(Program):
    """Signs mail of example.com (`s`), or verifies what comes (`v`). `keys`: a file of public keys, in place of the DNS."""

    def __init__(self, folder: Path, mode: str, keys: Path) -> None:
        super().__init__(folder)
        key = folder / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        if mode == "s":
            words = ["openssl", "rsa", "-in", str(key), "-pubout"]
            public = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            text = "".join(line for line in public.splitlines() if "-" not in line)
            keys.write_text(f"s1._domainkey.example.com v=DKIM1; k=rsa; p={text}\n")
        (folder / "conf").write_text(
            f"Mode {mode}\nDomain example.com\nSelector s1\nKeyFile {key}\nSocket inet:{self.port}@127.0.0.1\nBackground no\n"
            "UserID root\nSyslog no\nRequireSafeKeys no\nAlwaysAddARHeader yes\nAuthservID gate.example.net\n"
            f"TestPublicKeys {keys}\nInternalHosts {folder}/{mode}\n"
        )
        (folder / "s").write_text("127.0.0.1\n")
        (folder / "v").write_text("192.0.2.1\n")
        self.run("opendkim", "-f", "-x", str(folder / "conf"))
        self.listening()


class Rspamd(Program):
    """rspamd's proxy, which scans by itself and speaks the milter protocol."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.chmod(0o777)
        (folder / "rspamd.conf").write_text(
            f'options {{ pidfile = "{folder}/pid"; filters = ""; temp_dir = "{folder}";\n'
            '  dns { nameserver = ["127.0.0.1:1"]; } }\n'
            'logging { type = "console"; level = "notice"; }\nactions { reject = 15; add_header = 6; }\n'
            f'worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{self.port}"; milter = yes; count = 1; timeout = 20s;\n'
            '  upstream "local" { default = yes; self_scan = yes; } }\n'
        )
        self.run("rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", str(folder / "rspamd.conf"))
        self.listening()


class ClamavMilter(Program):
    """clamav-milter and its clamd, with one signature: EICAR's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        base = folder / "db"
        base.mkdir()
        (base / "own.ndb").write_text(f"Eicar-Signature:0:*:{EICAR.encode().hex()}\n")
        self.socket = folder / "clamd.sock"
        (folder / "clamd.conf").write_text(
            f"LocalSocket {self.socket}\nDatabaseDirectory {base}\nForeground yes\nTemporaryDirectory {folder}\nUser root\n"
        )
        (folder / "milter.conf").write_text(
            f"MilterSocket inet:{self.port}@127.0.0.1\nClamdSocket unix:{self.socket}\nForeground yes\nUser root\n"
            f"OnInfected Reject\nRejectMsg Virus found: %v\nAddHeader Replace\nTemporaryDirectory {folder}\n"
        )
        self.run("clamd", "-c", str(folder / "clamd.conf"))
        wait_for(self._answers, lambda: f"clamd\n{(folder / 'output').read_text()}", 60)
        self.run("clamav-milter", "-c", str(folder / "milter.conf"))
        self.listening()

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(self.socket))
                one.sendall(b"PING\n")
                return one.recv(10).startswith(b"PONG")
        except OSError:
            return False
