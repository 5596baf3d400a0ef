"""Certificates by ACME: a whole Gatepost and Debian's pebble, from no certificate to a renewed one."""

import os
import pwd
import re
import shlex
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.pebble import Pebble
from tests.integration.system import alive, user_of
from tests.support.free_ports import free_port
from tests.support.running import OWNER, System, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "acme.md"
_MASTER = "127.0.0.1:{port} inet n - n - - smtpd\n127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"


@pytest.fixture(scope="module")
def pebble() -> Iterator[Pebble]:
    with Pebble() as one:
        yield one


def settings(pebble: Pebble, **more: str) -> dict[str, str]:
    """main.cf as docs/acme.md has it, with the ports of the test."""
    return {
        "acme_directory_url": pebble.directory,
        "acme_directory_ca_file": str(pebble.ca_file),
        "acme_contact": "postmaster@example.test",
        "acme_domains": "$myhostname, mx.example.test",
        "acme_http_listen": f"127.0.0.1:{pebble.http}",
        "acme_tls_alpn_listen": f"127.0.0.1:{pebble.tls}",
        "smtpd_tls_chain_files": "$queue_directory/acme/chain.pem",
        "smtpd_tls_security_level": "may",
        **more,
    }


def shown(system: System) -> bytes:
    """The certificate that port `second` shows, DER; empty for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", system.second), 10) as plain, context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_from_no_certificate_to_a_renewed_one(pebble: Pebble, challenge: str, tmp_path: Path) -> None:
    """STARTTLS is offered with the certificate as soon as it has come, and with another one after that is renewed; nobody restarts
    or reloads anything. pebble refuses every fifth nonce."""
    with System(settings(pebble, acme_challenge=challenge), _MASTER) as system:
        system.logged("acme", "a certificate for mail.example.test, mx.example.test was issued, valid until")
        first = wait_for(lambda: shown(system), "a certificate", 60)
        authority = tmp_path / "root.pem"
        authority.write_text(pebble.root())
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{system.port}", "-starttls", "smtp", "-ign_eof", "-showcerts"]
        command += ["-CAfile", str(authority), "-verify_hostname", "mx.example.test", "-verify_return_error"]

        def seen() -> str:
            return subprocess.run(command, input="QUIT\r\n", capture_output=True, text=True, timeout=60, check=False).stdout

        said = wait_for(lambda: said if "BEGIN CERTIFICATE" in (said := seen()) else "", seen, 60)
        assert said.count("BEGIN CERTIFICATE") == 2 and "Verify return code: 0 (ok)" in said
        done = system.command("acme", "status")
        assert done.returncode == 0 and "mail.example.test mx.example.test" in done.stdout, done
        assert (done := system.command("acme", "renew")).returncode == 0, done
        wait_for(lambda: shown(system) not in (b"", first), "the renewed one", 60)
        system.logged("certificates were renewed: new workers take them up")


def test_keys_are_for_root_alone(pebble: Pebble) -> None:
    with System(settings(pebble), _MASTER) as system:
        system.logged("was issued")
        folder = system.spool / "acme"
        assert folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == os.getuid()
        assert {file.name for file in folder.iterdir()} == {"account.pem", "chain.pem", "attempts.json"}
        for file in folder.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_uid == os.getuid()
        if os.getuid() == 0:
            owner = pwd.getpwnam(OWNER).pw_uid
            tried = subprocess.run(["cat", folder / "account.pem"], user=owner, capture_output=True, check=False)
            assert b"Permission denied" in tried.stderr


def test_the_authority_is_down_when_it_is_to_be_renewed() -> None:
    """The certificate there is goes on serving; the log, the status and `gatepost check` tell; the next attempt succeeds."""
    with Pebble() as pebble, System(settings(pebble), _MASTER) as system:
        first = wait_for(lambda: shown(system), "a certificate", 60)
        pebble.down()
        done = system.command("acme", "renew")
        assert done.returncode == 1 and "the one from before is still used" in done.stdout, done
        system.logged("acme", "warning", "no certificate for mail.example.test", "next attempt")
        assert shown(system) == first
        assert "failed       1 times" in system.command("acme", "status").stdout
        assert "no certificate came by ACME, 1 times in a row" in system.command("check").stderr
        system.reload()
        assert shown(system) == first
        pebble.up()
        assert (done := system.command("acme", "renew")).returncode == 0, done
        wait_for(lambda: shown(system) not in (b"", first), "the renewed one", 60)
        assert "ACME" not in system.command("check").stderr


def test_a_challenge_that_fails(pebble: Pebble) -> None:
    """pebble asks another port than the one where it is answered: mail is served without TLS, and everybody is told."""
    elsewhere = f"127.0.0.1:{free_port()}"
    with System(settings(pebble, acme_domains="$myhostname", acme_http_listen=elsewhere), _MASTER) as system:
        system.logged("acme", "warning", "mail.example.test is invalid", "there is none yet")
        assert system.send()
        with system.client() as client:
            assert client.say("EHLO there.example.test")[0] == 250
            assert client.say("STARTTLS")[0] == 454
        assert "mail.example.test is invalid" in system.command("check").stderr
        done = system.command("acme", "status")
        assert done.returncode == 1 and "none yet" in done.stdout


def test_an_authority_that_knows_its_customers(tmp_path: Path) -> None:
    """External account binding (RFC 8555 §7.3.4)."""
    key = tmp_path / "eab"
    key.write_text("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n")
    config = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": key.read_text().strip()}}
    with Pebble(config=config) as pebble:
        with System(settings(pebble), _MASTER) as system:
            system.logged("acme", "takes known accounts only: set acme_eab_key_id and acme_eab_key_file")
            system.configure({"acme_eab_key_id": "kid-1", "acme_eab_key_file": str(key)})
            system.reload()
            system.logged("was issued")


def test_a_reload_while_a_challenge_is_open() -> None:
    """The process that was replaced ends what is under way, and nobody begins it a second time."""
    with Pebble(slow=True) as pebble, System(settings(pebble, acme_domains="$myhostname"), _MASTER) as system:
        wait_for(lambda: "Pulled a task" in pebble.output(), pebble.output, 30)
        system.reload()
        system.logged("was issued", seconds=60)
        wait_for(lambda: shown(system), "a certificate", 60)
        assert pebble.output().count("Added order") == 1


def refused(path: Path) -> bool:
    """Whether nobody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return True
        return False


def test_what_is_wrong_with_acme_keeps_no_mail_away(pebble: Pebble) -> None:
    before = pebble.output().count("Added order")
    with System(settings(pebble, acme_directory_ca_file="/no/such/file"), _MASTER) as system:
        system.logged("acme", "error", "acme_directory_ca_file: /no/such/file: No such file or directory; correct it, and reload")
        assert system.send()
        done = system.command("acme", "renew")
        assert done.returncode == 1 and "/no/such/file" in done.stdout
        system.configure({"acme_directory_url": ""})
        system.reload()
        assert "is empty" in system.command("acme", "renew").stderr
        wait_for(lambda: refused(system.spool / "gatepost" / "acme"), "the end of its socket")
        system.configure(settings(pebble))
        assert "is the mail system running" in system.command("acme", "renew").stderr, "there is no process yet"
        system.reload()
        system.logged("was issued")
        wait_for(lambda: shown(system), "a certificate", 60)
        assert pebble.output().count("Added order") == before + 1, "what nobody waits for any more is not done"


def test_a_port_that_another_program_has(pebble: Pebble) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with System(settings(pebble, acme_http_listen=f"127.0.0.1:{port}"), _MASTER) as system:
            system.logged("acme", "warning", f"bind 127.0.0.1:{port}: Address already in use")
            assert system.send()


def test_the_port_is_closed_but_while_a_challenge_is_open(pebble: Pebble) -> None:
    with System(settings(pebble), _MASTER) as system:
        system.logged("was issued")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", pebble.http), 5)


def capabilities(pid: int) -> int:
    """The effective ones of a process (proc(5))."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["CapEff"], 16)


def test_the_process_that_strangers_reach_has_no_rights(pebble: Pebble) -> None:
    """The one that speaks with the network is mail_owner; the one beside it is who started it, with one capability."""
    with System(settings(pebble), _MASTER) as system:
        line = system.logged("was issued")
        speaking = int(line.partition("acme[")[2].partition("]")[0])
        children = Path(f"/proc/{speaking}/task/{speaking}/children").read_text().split()
        assert len(children) == 1
        keeping = int(children[0])
        assert user_of(speaking) == (pwd.getpwnam(OWNER).pw_uid, True) and capabilities(speaking) == 0
        assert user_of(keeping) == (os.getuid(), True)
        assert os.getuid() != 0 or capabilities(keeping) == 1 << 10, "CAP_NET_BIND_SERVICE"
        os.kill(speaking, signal.SIGKILL)
        wait_for(lambda: not alive(keeping), "the end of the one beside it")


def test_every_command_of_the_page(pebble: Pebble) -> None:
    """docs/acme.md, with the directory, ports and names of the test."""
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 11
    ours = {
        "https://acme-v02.api.letsencrypt.org/directory": pebble.directory,
        "127.0.0.1:8402": f"127.0.0.1:{pebble.http}",
    }
    given = {name: value for name, value in settings(pebble).items() if name in ("acme_directory_ca_file", "acme_http_listen")}
    with System(given, _MASTER) as system:
        for command in commands:
            for there, here in ours.items():
                command = command.replace(there, here)
            words = shlex.split(command)
            if words == ["gatepost", "check"]:
                assert "cannot load TLS certificates" in system.command("check").stderr, "there is none yet"
                continue
            if words == ["gatepost", "acme", "status"]:
                wait_for(lambda: shown(system), "a certificate", 60)
            done = system.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stdout, done.stderr)
