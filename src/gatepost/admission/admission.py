"""The way into the queue of one service: what is handed in is collected, and passes the stages of that service."""

from gatepost.admission.gates import Guards
from gatepost.admission.intake import CleanupIntake, Source
from gatepost.admission.service import CleanupService
from gatepost.admission.stages import stages_of
from gatepost.admission.staging import Staging
from gatepost.content.downgrade import SevenBit
from gatepost.content.headers import HeaderRewriter
from gatepost.mail.queue_id import QueueId
from gatepost.routing.rewrite import LOCAL, REMOTE


class CleanupAdmission:
    """Opens the way for one message after the other."""

    def __init__(self, service: CleanupService) -> None:
        self.service = service
        self.stages = stages_of(looks=service.rules.looks, gated=service.gates.of_messages)
        self._without_session = stages_of(looks=service.rules.looks, gated=service.gates.of_messages, shows=service.gates.any)
        self._rewriters = {LOCAL: self._rewriter(LOCAL), REMOTE: None}
        if service.settings.remote_header_rewrite_domain:
            self._rewriters[REMOTE] = self._rewriter(REMOTE)

    def open(
        self,
        queue_id: QueueId,
        *,
        client: str,
        origin_service: str,
        context: str = LOCAL,
        in_lines: bool = False,
        guards: Guards | None = None,
    ) -> CleanupIntake:
        """Begin a message. `client`: `name[address]` or `local`, for the log; `context`: by which rules incomplete addresses in
        headers are completed; `origin_service`: who takes it in; `in_lines`: CR and LF come as line ends only, for sure; `guards`:
        who has watched the session that it comes by, None where it does not come by one."""
        service, rules = self.service, self.service.rules
        replace_stray = service.settings.cleanup_replace_stray_cr_lf
        staging = Staging(
            service.staging,
            replace_stray=replace_stray,
            in_lines=in_lines,
            strip=rules.strip,
            reject=rules.reject,
            conversion=SevenBit(rules.settings.limits) if rules.converts else None,
        )
        stages = self.stages if guards is not None else self._without_session
        source = Source(origin_service, client, context, guards)
        return CleanupIntake(service, stages, queue_id, source, self._rewriters[context], staging)

    def _rewriter(self, context: str) -> HeaderRewriter:
        service = self.service
        limit = service.settings.header_address_token_limit
        return HeaderRewriter(service.routing, context, limit, mapping=service.rules.mapping)
