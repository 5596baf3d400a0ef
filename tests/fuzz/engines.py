"""Usage: python -m tests.fuzz.engines ENGINE CORE RUNS SECONDS: what chooses the inputs of one core. Status 0: it held.

RUNS inputs; of atheris no more than SECONDS have time for (0: all).
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz.__main__ import LONGEST, SEEDS


def by_atheris(core: str, runs: int, seconds: int) -> None:
    """Inputs that reach new code breed (libFuzzer). Never returns."""
    import atheris

    with atheris.instrument_imports(include=["gatepost"]):
        from tests.fuzz.cores import CORES
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{core}-"))
    shutil.copytree(SEEDS / core, corpus / "corpus")
    options = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        "-print_final_stats=1",
        f"-max_len={LONGEST}",
        "-timeout=60",
        "-verbosity=0",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={corpus}/",
    ]
    atheris.Setup([core, *options, str(corpus / "corpus")], CORES[core])
    atheris.Fuzz()


def by_hypothesis(core: str, runs: int, _seconds: int) -> None:
    """Seeds, seeds with a part replaced, and octets of any kind."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from tests.fuzz.cores import CORES

    seeds = st.sampled_from([file.read_bytes() for file in sorted((SEEDS / core).iterdir())])
    place = st.integers(0, LONGEST)

    def changed(seed: bytes, start: int, end: int, other: bytes) -> bytes:
        return seed[: start % (len(seed) + 1)] + other + seed[end % (len(seed) + 1) :]

    inputs = st.one_of(
        st.binary(max_size=200), seeds, st.builds(changed, seeds, place, place, st.one_of(st.binary(max_size=9), seeds))
    )
    kinds = list(HealthCheck)
    test = settings(max_examples=runs, deadline=None, database=None, suppress_health_check=kinds)(given(inputs)(CORES[core]))
    test()


if __name__ == "__main__":
    {"atheris": by_atheris, "hypothesis": by_hypothesis}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
