"""The parameters of address verification; field names are parameter names, times in seconds."""

from msgspec import Struct

from gatepost.policy.verify.findings import Lifetime, Lifetimes


class VerifySettings(Struct, frozen=True, kw_only=True):
    """What verify(8) obeys."""

    address_verify_map: str
    address_verify_sender: str
    address_verify_sender_ttl: int
    address_verify_negative_cache: bool
    address_verify_positive_expire_time: int
    address_verify_positive_refresh_time: int
    address_verify_negative_expire_time: int
    address_verify_negative_refresh_time: int
    address_verify_cache_cleanup_interval: int
    address_verify_pending_request_limit: int

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            good=Lifetime(self.address_verify_positive_refresh_time, self.address_verify_positive_expire_time),
            bad=Lifetime(self.address_verify_negative_refresh_time, self.address_verify_negative_expire_time),
            keeps_bad=self.address_verify_negative_cache,
        )


class Patience(Struct, frozen=True, kw_only=True):
    """How long a session of smtpd(8) waits for what is being found out."""

    address_verify_poll_count: int
    address_verify_poll_delay: int

    @property
    def seconds(self) -> float:
        """The first look costs no time."""
        return (self.address_verify_poll_count - 1) * self.address_verify_poll_delay
