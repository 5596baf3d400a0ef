"""A certificate authority of the tests' own, and a server certificate by it (openssl)."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """PEM files: the server's certificate and key, and the authority that signed it. `name` is the host it speaks for."""

    name: str
    chain: Path
    key: Path
    authority: Path


def make(folder: Path, name: str) -> Certificate:
    """A key and a certificate for host `name`, by an authority of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, ca, key, request, chain = (folder / f for f in ("ca.key", "ca.pem", "key.pem", "request.pem", "chain.pem"))
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName=DNS:{name}\n")
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=Test authority", "-keyout", ca_key, "-out", ca],
        [*new, "-subj", f"/CN={name}", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", chain],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    for file in folder.iterdir():
        file.chmod(0o600 if file.suffix == ".key" or file == key else 0o644)  # keys are for root's eyes
    return Certificate(name, chain, key, ca)
