"""STARTTLS with postscreen over a socket, while its tests go on: its own certificate and parameters (postscreen_tls_*), and a
reload with clients inside."""

import re
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import certificate as certificates
from tests.support.certificate import Certificate
from tests.support.running import Client, System, wait_for

MASTER = (
    "127.0.0.1:{port} inet n - n - - smtpd\n"
    "127.0.0.1:{second} inet n - y - 1 postscreen\n"
    "smtpd pass - - y - - smtpd\ndnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy\n"
)


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Certificate]]:
    """Certificates for postscreen, for smtpd and for a client."""
    with tempfile.TemporaryDirectory(prefix="postscreen-tls-") as folder:
        Path(folder).chmod(0o755)
        yield {name: certificates.make(Path(folder) / name, f"{name}.test") for name in ("screen", "server", "client")}


def _main(made: dict[str, Certificate], **more: str) -> dict[str, str]:
    return {
        "postscreen_access_list": "",
        "postscreen_greet_wait": "1s",
        "postscreen_pipelining_enable": "yes",
        "postscreen_bare_newline_enable": "yes",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{made['server'].key}, {made['server'].chain}",
        "postscreen_tls_security_level": "may",
        "postscreen_tls_chain_files": f"{made['screen'].key}, {made['screen'].chain}",
        "postscreen_tls_loglevel": "1",
        **more,
    }


def _hello(system: System) -> Client:
    client = Client(system.second)
    code, text = client.say("EHLO client.example.com")
    assert (code, "STARTTLS" in text) == (250, True)
    assert client.say("STARTTLS")[0] == 220
    return client


def _secure(client: Client, by: Certificate, name: str, own: Certificate | None = None, **versions: ssl.TLSVersion) -> None:
    """The client's side of the handshake; raises ssl.SSLError where the server is not the one of that name."""
    context = ssl.create_default_context(cafile=str(by.authority))
    if own is not None:
        context.load_cert_chain(own.chain, own.key)
    for option, version in versions.items():
        setattr(context, option, version)
    client.socket = context.wrap_socket(client.socket, server_hostname=name)
    client._file = client.socket.makefile("rb")


def _recipient_is_put_off(client: Client) -> None:
    assert client.say("EHLO client.example.com")[0] == 250
    assert client.say("MAIL FROM:<a@example.com>")[0] == 250
    code, text = client.say("RCPT TO:<b@example.net>")
    assert (code, text[:5]) == (450, "4.3.2")


def test_it_shows_its_own_certificate_while_tests_go_on_and_smtpd_shows_smtpds(made: dict[str, Certificate]) -> None:
    with System(_main(made), MASTER) as system:
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test")
            _recipient_is_put_off(client)
            assert client.say("QUIT")[0] == 221
        system.logged("/tlsproxy[", "Anonymous TLS connection established from [127.0.0.1]:", "TLSv1.3 with cipher")
        system.logged("NOQUEUE: reject: RCPT from [127.0.0.1]:", "450 4.3.2 Service currently unavailable")
        system.logged("PASS NEW [127.0.0.1]:")
        with _hello(system) as client:
            _secure(client, made["server"], "server.test")
            client.envelope()


def test_the_tests_hold_over_tls(made: dict[str, Certificate]) -> None:
    """A bare newline, and commands ahead of their turn, in what came encrypted."""
    with System(_main(made, postscreen_bare_newline_action="drop", postscreen_pipelining_action="enforce"), MASTER) as system:
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test")
            client.write(b"EHLO client.example.com\n")
            assert client.all_replies()[-1] in (521, 550)
        system.logged("BARE NEWLINE from [127.0.0.1]:", "after EHLO")
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test")
            client.write(b"EHLO client.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nQUIT\r\n")
            assert client.all_replies()[:3] == [250, 250, 550]
        system.logged("COMMAND PIPELINING from [127.0.0.1]:")


def test_what_was_said_ahead_of_the_handshake_is_no_command(made: dict[str, Certificate]) -> None:
    with System(_main(made), MASTER) as system, Client(system.second) as client:
        assert client.say("EHLO client.example.com")[0] == 250
        client.write(b"STARTTLS\r\nMAIL FROM:<injected@example.com>\r\n")
        assert client.reply()[0] == 220
        _secure(client, made["screen"], "screen.test")
        code, _ = client.say("RCPT TO:<b@example.net>")
        assert code == 503


@pytest.mark.parametrize("required", [False, True])
def test_its_own_protocols(required: bool, made: dict[str, Certificate]) -> None:
    name = "postscreen_tls_mandatory_protocols" if required else "postscreen_tls_protocols"
    main = _main(made, **{name: ">=TLSv1.3", "postscreen_tls_security_level": "encrypt" if required else "may"})
    with System(main, MASTER) as system:
        with _hello(system) as client, pytest.raises(OSError):
            _secure(client, made["screen"], "screen.test", maximum_version=ssl.TLSVersion.TLSv1_2)
        system.logged("/tlsproxy[", "SSL_accept error from [127.0.0.1]:")
        system.logged("/tlsproxy[", "TLS library problem: ", "unsupported protocol")
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test", minimum_version=ssl.TLSVersion.TLSv1_3)
            _recipient_is_put_off(client)


def test_a_client_that_must_show_a_certificate(made: dict[str, Certificate]) -> None:
    ask = {"postscreen_tls_req_ccert": "yes", "postscreen_tls_CAfile": str(made["client"].authority)}
    with System(_main(made, postscreen_tls_security_level="encrypt", **ask), MASTER) as system:
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test")
            assert client.reply() == (421, "4.7.1 mail.example.test Error: No client certificate presented")
        system.logged("/tlsproxy[", "abort: TLS from [127.0.0.1]:", "No client certificate presented")
        with _hello(system) as client:
            _secure(client, made["screen"], "screen.test", made["client"])
            _recipient_is_put_off(client)
        system.logged("/tlsproxy[", "Trusted TLS connection established from [127.0.0.1]:")


def test_the_handshake_has_its_own_time_limit(made: dict[str, Certificate]) -> None:
    with System(_main(made, postscreen_starttls_timeout="1s"), MASTER) as system:
        with _hello(system) as client:
            assert client.all_replies() == []
        system.logged("/tlsproxy[", "SSL_accept error from [127.0.0.1]:", "Connection timed out")


def _shows(system: System, by: Certificate, name: str) -> bool:
    """Whether new clients are shown the certificate of that name."""
    with _hello(system) as client:
        try:
            _secure(client, by, name)
        except ssl.SSLError:
            return False
        return True


def test_a_reload_with_clients_in_all_states(made: dict[str, Certificate]) -> None:
    """One in the clear, one between STARTTLS and its handshake, one over TLS: each goes on with what it has begun with."""
    with System(_main(made), MASTER) as system:
        plain, half, whole = Client(system.second), _hello(system), _hello(system)
        with plain, half, whole:
            _secure(whole, made["screen"], "screen.test")
            other = certificates.issue(made["screen"].authority.parent / "renewed", "renewed.test", made["screen"].authority.parent)
            system.configure({"postscreen_tls_chain_files": f"{other.key}, {other.chain}"})
            workers = set(system.workers())
            system.reload()
            wait_for(lambda: set(system.workers()) - workers, "new workers")
            wait_for(lambda: _shows(system, made["screen"], "renewed.test"), "the new certificate")
            _recipient_is_put_off(whole)
            _secure(half, made["screen"], "screen.test")
            _recipient_is_put_off(half)
            assert plain.say("EHLO client.example.com")[0] == 250
            assert all(client.say("QUIT")[0] == 221 for client in (plain, half, whole))


def test_a_certificate_that_cannot_be_used_is_named_where_it_is_set(made: dict[str, Certificate], tmp_path: Path) -> None:
    system = System(_main(made, postscreen_tls_chain_files="/nonexistent/screen.pem"), MASTER, folder=tmp_path)
    checked = system.command("check")
    line = 1 + list(system.main).index("postscreen_tls_chain_files")
    assert re.search(rf"main\.cf, line {line}: .*/nonexistent/screen\.pem", checked.stdout + checked.stderr)
