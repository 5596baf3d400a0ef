"""Private PostgreSQL and MariaDB servers: their own directory, port and certificate; never the host's."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.ports import listens
from tests.support import certificate as certificates
from tests.support import running
from tests.support.free_ports import free_port
from tests.support.running import wait_for

USER, PASSWORD = "mail", "se'cr\"et %s"


class SqlServer:
    """A server with a database `mail`, and a table `aliases (address, goto)` in it.

    `port`: of 127.0.0.1; `folder`: where its socket is; `authority`: who has signed its certificate. USER logs in with PASSWORD.
    """

    owner = ""
    long_text = "TEXT"

    def __init__(self, aliases: Mapping[str, Sequence[str]], more: str = "", *, tls: bool = True) -> None:
        """`more`: SQL, statements with a semicolon each."""
        self.tls = tls
        self.folder = Path(tempfile.mkdtemp(prefix="sql-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.authority = certificates.make(self.folder / "tls", "sql.test,IP:127.0.0.1").authority
        for path in (self.folder, *self.folder.rglob("*")):
            if os.geteuid() == 0:
                shutil.chown(path, self.owner, self.owner)
        self._process: subprocess.Popen[bytes] | None = None
        self.make()
        self.start()
        rows = ", ".join(f"({self.quoted(key)}, {self.quoted(value)})" for key, values in aliases.items() for value in values)
        self.run(f"CREATE TABLE aliases (address VARCHAR(300), goto {self.long_text});INSERT INTO aliases VALUES {rows};{more}")

    def make(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        """The server in the foreground."""
        raise NotImplementedError

    def run(self, sql: str) -> str:
        """Run SQL as the server's owner; what it prints."""
        raise NotImplementedError

    def quoted(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def as_owner(self) -> dict[str, Any]:
        return {"user": self.owner, "group": self.owner, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.as_owner())
        log.close()
        wait_for(lambda: listens(self.port) and self.answers(), lambda: f"a listening server\n{self.log()[-2000:]}")

    def answers(self) -> bool:
        try:
            return bool(self.run("SELECT 1"))
        except subprocess.CalledProcessError:
            return False

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """As a machine that fails."""
        if self._process is not None:
            self.pause(False)
            self._process.send_signal(signal.SIGQUIT if self.owner == "postgres" else signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self, still: bool = True) -> None:
        """Let it hang, or go on."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if still else signal.SIGCONT)
                if still:
                    wait_for(partial(running.still, pid), "a server to hang")

    def clean(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSql(SqlServer):
    owner = "postgres"

    def make(self) -> None:
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        words = [self._bin / "initdb", "-D", self.folder / "db", "--auth=trust", "-U", "owner", "--no-sync", "-E", "UTF8"]
        subprocess.run([*words, "--locale=C.UTF-8"], check=True, capture_output=True, cwd=self.folder, **self.as_owner())
        hba = f"local all owner trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all {USER} scram-sha-256\n"
        (self.folder / "db" / "pg_hba.conf").write_text(hba)

    def start(self) -> None:
        fresh = not (self.folder / "log").exists()
        super().start()
        if fresh:
            self._ask("postgres", "CREATE DATABASE mail")
            secret = self.quoted(PASSWORD)
            self.run(f"CREATE ROLE {USER} LOGIN PASSWORD {secret};ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {USER}")

    def answers(self) -> bool:
        try:
            return bool(self._ask("postgres", "SELECT 1"))
        except subprocess.CalledProcessError:
            return False

    def command(self) -> list[str]:
        tls = self.folder / "tls"
        settings = {
            "listen_addresses": "127.0.0.1", "fsync": "off", "shared_buffers": "8MB", "ssl": "on",
            "ssl_cert_file": f"{tls}/chain.pem", "ssl_key_file": f"{tls}/key.pem",
        }  # fmt: skip
        pairs = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", f"{self.folder}/db", "-p", str(self.port), "-k", str(self.folder), *pairs]

    def run(self, sql: str) -> str:
        return self._ask("mail", sql)

    def _ask(self, database: str, sql: str) -> str:
        words = [self._bin / "psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-p", str(self.port), "-U", "owner", database]
        done = subprocess.run(
            [*words, "-v", "ON_ERROR_STOP=1"], input=sql, check=True, capture_output=True, text=True, cwd=self.folder
        )
        return done.stdout


class MariaDb(SqlServer):
    owner = "mysql"
    long_text = "LONGTEXT"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def make(self) -> None:
        words = ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/db", f"--tmpdir={self.folder}", "--skip-test-db"]
        words += [f"--user={self.owner}"] if os.geteuid() == 0 else []
        subprocess.run([*words, "--auth-root-authentication-method=normal"], check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        fresh = not (self.folder / "log").exists()
        super().start()
        if fresh:
            self._ask("", "CREATE DATABASE mail CHARACTER SET utf8mb4")
            self.run(f"CREATE USER {USER}@'%' IDENTIFIED BY {self.quoted(PASSWORD)};GRANT SELECT, EXECUTE ON mail.* TO {USER}@'%'")

    def answers(self) -> bool:
        try:
            return bool(self._ask("", "SELECT 1"))
        except subprocess.CalledProcessError:
            return False

    def quoted(self, text: str) -> str:
        return super().quoted(text.replace("\\", "\\\\"))

    def command(self) -> list[str]:
        tls = self.folder / "tls"
        return [
            "mariadbd", "--no-defaults", f"--datadir={self.folder}/db", f"--tmpdir={self.folder}",
            f"--socket={self.socket}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=8M", "--skip-name-resolve",
            *([f"--ssl-ca={tls}/ca.pem", f"--ssl-cert={tls}/chain.pem", f"--ssl-key={tls}/key.pem"] if self.tls else []),
        ]  # fmt: skip

    def run(self, sql: str) -> str:
        return self._ask("mail", sql)

    def _ask(self, database: str, sql: str) -> str:
        words = ["mariadb", "--no-defaults", "-N", "-B", "--default-character-set=utf8mb4", "-S", str(self.socket), "-u", "root"]
        words += [database] if database else []
        return subprocess.run(words, input=sql, check=True, capture_output=True, text=True).stdout
