"""The message that carries a report (RFC 8460 §5.3)."""

import base64
from typing import Final

from gatepost.tlsrpt.report import Report

MEDIA_TYPE: Final = "application/tlsrpt+gzip"


def message(report: Report, to: str, date: str) -> bytes:
    """In wire form. `date`: the value of its Date header. `TLS-Required: No` (RFC 8689) since a report must arrive where TLS fails,
    which is what it tells of."""
    submitter, boundary = report.submitter, f"tlsrpt-{report.end}-{report.begin}"
    lines = (
        f"Date: {date}",
        f"From: {submitter.sender}",
        f"To: {to}",
        f"Subject: Report Domain: {report.domain} Submitter: {submitter.domain} Report-ID: <{report.report_id}>",
        f"Message-ID: <{report.report_id.replace(':', '')}>",
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {submitter.domain}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"How TLS came out in sessions with the mail servers of {report.domain}, by RFC 8460.",
        f"Contact: {report.body['contact-info']}",
        "",
        f"--{boundary}",
        f"Content-Type: {MEDIA_TYPE}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{report.file_name}"',
        "",
        *base64.encodebytes(report.compressed).decode("ascii").splitlines(),
        f"--{boundary}--",
        "",
    )
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")
