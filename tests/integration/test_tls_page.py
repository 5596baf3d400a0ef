"""docs/tls.md: its commands, in their order, with the certificates and ports of a test."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.certificate import make
from tests.support.running import System, environment, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "tls.md"


def _finger(command: str, system: System) -> int:
    """The status of posttls-finger."""
    words = [sys.executable, "-m", "gatepost.cli", *shlex.split(command)]
    set_by = {**environment(), "MAIL_CONFIG": str(system.conf)}
    return subprocess.run(words, capture_output=True, timeout=60, check=False, env=set_by).returncode


def test_every_command_of_the_page(tmp_path: Path) -> None:
    made = make(tmp_path, "mail.example.com")
    pem = tmp_path / "mail.pem"
    pem.write_text(made.key.read_text() + made.chain.read_text())
    ours = re.compile(r"    (?:gatepost|postconf|posttls-finger) ")
    commands = [line.strip() for line in PAGE.read_text().splitlines() if ours.match(line)]
    assert len(commands) == 15
    with System() as system:
        for command in commands:
            for there, here in {
                "/etc/ssl/private/mail.pem": str(pem),
                "/etc/ssl/certs/ca-certificates.crt": str(made.authority),
                "[mail.example.com]:25": f"[127.0.0.1]:{system.port}",
                "smtps": f"127.0.0.1:{system.second}",
            }.items():
                command = command.replace(there, here)
            words = shlex.split(command)
            if words[0] == "posttls-finger":
                wait_for(lambda asked=command: _finger(asked, system) == 0, "TLS", 60)  # type: ignore[misc]
            elif words[1] == "check":  # the test's certificate ends soon, which is told
                assert "the certificate expires on" in system.command("check").stderr + system.command("check").stdout
            else:
                done = system.command(*(words[1:] if words[0] == "gatepost" else words))
                assert done.returncode == 0, (command, done.stdout, done.stderr)
        smtps = f"posttls-finger -w -c -l secure -F {made.authority} [127.0.0.1]:{system.second} mail.example.com"
        wait_for(lambda: _finger(smtps, system) == 0, "TLS from the start", 60)
