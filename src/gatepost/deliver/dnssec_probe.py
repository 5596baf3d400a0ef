"""A SecureSource that finds out whether anybody looks at DNSSEC (dnssec_probe), once an answer comes that it does not vouch for."""

from collections.abc import Callable

from gatepost.net.port import Answer, DnsFailure, SecureSource


class ProbedSource:
    """The answers of `source`. `probe`: `type:name` of records that DNSSEC vouches for wherever it is looked at; empty: nobody
    asks. `warn`: is told, once, where it seems that it is not."""

    def __init__(self, source: SecureSource, probe: str, warn: Callable[[str], None]) -> None:
        self._source = source
        self._probe = probe
        self._warn = warn

    async def answer(self, name: str, record: str) -> Answer:
        """Raises NotFound or TryAgain."""
        answer = await self._source.answer(name, record)
        if not answer.secure and self._probe:
            probe, self._probe = self._probe, ""
            await self._find_out(probe)
        return answer

    async def _find_out(self, probe: str) -> None:
        record, _, name = probe.partition(":")
        try:
            if (await self._source.answer(name, record.upper())).secure:
                return
            reason = "received a response that is not DNSSEC validated"
        except DnsFailure as failure:
            reason = f"received no response: {failure.text}"
        except KeyError:
            reason = "names a type of records that is never asked for"
        self._warn("DNSSEC validation may be unavailable")
        self._warn(f"reason: dnssec_probe '{probe}' {reason}")
