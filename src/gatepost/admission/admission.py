"""The way into the queue of one service: what is handed in is collected, and passes the stages of that service."""

from gatepost.admission.intake import Intake
from gatepost.admission.port import Origin, ProtocolStage
from gatepost.admission.service import CleanupService
from gatepost.admission.stages import stages_of
from gatepost.admission.staging import Staging
from gatepost.content.headers import HeaderRewriter
from gatepost.mail.queue_id import QueueId
from gatepost.routing.rewrite import LOCAL, REMOTE


class Admission:
    """Opens the way for one message after the other."""

    def __init__(self, service: CleanupService) -> None:
        self.service = service
        gated = any(service.gates.at(stage) for stage in (ProtocolStage.END_OF_HEADERS, ProtocolStage.END_OF_MESSAGE))
        self.stages = stages_of(looks=service.rules.looks, gated=gated)
        self._rewriters = {LOCAL: self._rewriter(LOCAL), REMOTE: None}
        if service.settings.remote_header_rewrite_domain:
            self._rewriters[REMOTE] = self._rewriter(REMOTE)

    def open(self, queue_id: QueueId, *, client: str, origin_service: str, context: str = LOCAL, in_lines: bool = False) -> Intake:
        """Begin a message. `client`: `name[address]` or `local`, for the log; `context`: by which rules incomplete addresses in
        headers are completed; `origin_service`: who takes it in; `in_lines`: CR and LF come as line ends only, for sure."""
        service, rules = self.service, self.service.rules
        replace_stray = service.settings.cleanup_replace_stray_cr_lf
        staging = Staging(service.staging, replace_stray=replace_stray, in_lines=in_lines, strip=rules.strip, reject=rules.reject)
        return Intake(service, self.stages, queue_id, Origin(origin_service, client, context), self._rewriters[context], staging)

    def _rewriter(self, context: str) -> HeaderRewriter:
        service = self.service
        limit = service.settings.header_address_token_limit
        return HeaderRewriter(service.routing, context, limit, mapping=service.rules.mapping)
