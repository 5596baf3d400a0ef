"""A certificate authority of the tests' own, and a server certificate by it (openssl)."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """PEM files: the server's certificate and key, and the authority that signed it. `name` is the host it speaks for."""

    name: str
    chain: Path
    key: Path
    authority: Path


def make(folder: Path, name: str) -> Certificate:
    """A key and a certificate for host `name`, by an authority of its own in the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _run(*_NEW, "-x509", "-days", "2", "-subj", "/CN=Test authority", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    return issue(folder, name, folder)


def issue(folder: Path, name: str, by: Path, more: Iterable[str] = ()) -> Certificate:
    """A key and a certificate for host `name`, and `more` of them, by the authority of another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    key, request, chain, extensions = (folder / file for file in ("key.pem", "request.pem", "chain.pem", "extensions"))
    extensions.write_text(f"subjectAltName={','.join(f'DNS:{one}' for one in (name, *more))}\n")
    _run(*_NEW, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    _run("openssl", "x509", "-req", "-in", request, "-CA", by / "ca.pem", "-CAkey", by / "ca.key", "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", chain)  # fmt: skip
    for file in folder.iterdir():
        file.chmod(0o600 if file.suffix == ".key" or file == key else 0o644)  # keys are for root's eyes
    return Certificate(name, chain, key, by / "ca.pem")


_NEW = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
