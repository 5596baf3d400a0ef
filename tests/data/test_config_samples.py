"""Configurations of real installations load, or are refused with named faults; none ends in a traceback.

They are read from `GATEPOST_DATA` (default: the folder `shared/data` beside the project). Where that is missing the tests are
left out, but in CI its absence is an error.
"""

import os
from pathlib import Path

import pytest

from gatepost.cli.postconf import main
from gatepost.config.check import check
from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import load, read

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SAMPLES = DATA / "vectors" / "postfix-config"
DIRECTORIES = sorted({file.parent for file in SAMPLES.rglob("main.cf")})

# Folder -> why Postfix refuses it, too: templates that a deployment fills in, a file that is encrypted, and a list of restrictions
# with spaces after -o, on which smtpd(8) does not start.
REFUSED = {
    "Bun+mail/postfix": "missing '=' after attribute name",
    "bloodhunterd+Froxlor-Mail/src/etc/postfix": "bad numerical configuration: message_size_limit = ",
    "dotink+inKSpot/etc/postfix": "unexpected command-line argument: permit_sasl_authenticated,",
    "foxel+simpleone-mailserver/etc/postfix": "bad numerical configuration: default_process_limit = ",
    "st01tkh+loom-etc/postfix": "missing '=' after attribute name",
}

if not DIRECTORIES and os.environ.get("CI") != "true":
    pytest.skip(f"no sample configurations in {SAMPLES}", allow_module_level=True)


def name(directory: Path) -> str:
    return str(directory.relative_to(SAMPLES))


def test_samples_are_there() -> None:
    assert DIRECTORIES, f"no sample configurations in {SAMPLES}; set GATEPOST_DATA"


@pytest.fixture(params=DIRECTORIES, ids=name)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a sample, with an empty master.cf where it has none."""
    for file in ("main.cf", "master.cf"):
        source = request.param / file
        (tmp_path / file).write_bytes(source.read_bytes() if source.exists() else b"")
    return tmp_path


def test_loads_or_is_refused_by_name(sample: Path, request: pytest.FixtureRequest) -> None:
    why = REFUSED.get(name(request.node.callspec.params["sample"]))
    try:
        configuration = load(sample)
    except ConfigurationError as error:
        assert why, error
        assert why in str(error)
        assert all(fault.file and fault.text and fault.remedy for fault in error.faults)
        return
    assert not why
    for fault in (*configuration.warnings, *check(configuration)):
        assert fault.text
        assert fault.remedy


def test_every_setting_is_shown(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = read(sample)
    status = main(["postconf", "-c", str(sample), "-n"])
    told = capsys.readouterr()
    if configuration.faults:
        assert (status, told.out) == (1, "")
        assert told.err.startswith("postconf: fatal: ")
        return
    assert status == 0
    shown = {line.partition(" =")[0] for line in told.out.splitlines()}
    complaints = (line.partition("/main.cf: unused parameter: ")[2] for line in told.err.splitlines())
    unused = {text.partition("=")[0] for text in complaints if text}
    assert shown | unused == {*configuration.settings, "config_directory"}
