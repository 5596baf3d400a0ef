"""The report, its mail and the datagrams for other collectors, beside the example of RFC 8460, appendix B."""

import email
import email.policy
import gzip
import json

from msgspec.structs import replace

from gatepost.tlsrpt.counts import DAY, DayCounts, Failure, Sessions
from gatepost.tlsrpt.datagram import datagram
from gatepost.tlsrpt.outcome import NO_POLICY, PolicyType, ReportedPolicy, ResultType, TlsOutcome
from gatepost.tlsrpt.report import Submitter, make
from gatepost.tlsrpt.report_mail import message

POLICY = ReportedPolicy(
    PolicyType.STS,
    "company-y.example",
    ("version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"),
    ("*.mail.company-y.example",),
)
FAILURES = (
    (Failure(ResultType.CERTIFICATE_EXPIRED, "mx1.mail.company-y.example", "203.0.113.56", "2001:db8:abcd:12::1", ""), 100),
    (Failure(ResultType.STARTTLS_NOT_SUPPORTED, "mx2.mail.company-y.example", "203.0.113.57", "", "502 no"), 203),
)
COUNTS = DayCounts("company-y.example", (Sessions(POLICY, 5326, 303, FAILURES), Sessions(NO_POLICY, 1)))
SUBMITTER = Submitter("Company-X", "sts-reporting@company-x.example", "tlsrpt@company-x.example")
DAY_OF_RFC = 16_892  # 2016-04-01
REPORT = make(COUNTS, DAY_OF_RFC, SUBMITTER, now=(DAY_OF_RFC + 1) * DAY + 5.0)


def test_as_in_the_appendix() -> None:
    assert json.loads(gzip.decompress(REPORT.compressed)) == {
        "organization-name": "Company-X",
        "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.example",
        "report-id": "2016-04-01T23:59:59Z_company-y.example@company-x.example",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
                    "policy-domain": "company-y.example",
                    "mx-host": ["*.mail.company-y.example"],
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8:abcd:12::1",
                        "receiving-mx-hostname": "mx1.mail.company-y.example",
                        "receiving-ip": "203.0.113.56",
                        "failed-session-count": 100,
                    },
                    {
                        "result-type": "starttls-not-supported",
                        "receiving-mx-hostname": "mx2.mail.company-y.example",
                        "receiving-ip": "203.0.113.57",
                        "failed-session-count": 203,
                        "failure-reason-code": "502 no",
                    },
                ],
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "company-y.example"},
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            },
        ],
    }


def test_of_a_day_that_is_not_over() -> None:
    body = make(COUNTS, DAY_OF_RFC, SUBMITTER, now=DAY_OF_RFC * DAY + 3600.5).body
    assert body["date-range"] == {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T01:00:00Z"}


def test_the_mail() -> None:
    octets = message(REPORT, "reports@company-y.example", "Sat, 2 Apr 2016 00:00:05 +0000")
    assert all(len(line) < 998 and b"\n" not in line and b"\r" not in line for line in octets.split(b"\r\n"))
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    assert mail["TLS-Report-Domain"] == "company-y.example"
    assert mail["TLS-Report-Submitter"] == "company-x.example"
    assert mail["Subject"] == f"Report Domain: company-y.example Submitter: company-x.example Report-ID: <{REPORT.report_id}>"
    assert (mail.get_content_type(), mail.get_param("report-type")) == ("multipart/report", "tlsrpt")
    text, report = mail.iter_parts()  # type: ignore[attr-defined]
    assert text.get_content_type() == "text/plain"
    assert report.get_content_type() == "application/tlsrpt+gzip"
    assert report.get_filename() == "company-x.example!company-y.example!1459468800!1459555199.json.gz"
    assert json.loads(gzip.decompress(report.get_content())) == REPORT.body


OUTCOME = TlsOutcome("company-y.example", POLICY, "mailin.example.com", "11.22.33.44")


def test_a_datagram_is_as_libtlsrpt_sends_it() -> None:
    failed = replace(OUTCOME, result=ResultType.STS_WEBPKI_INVALID, reason="999 TEST", own_address="1.2.3.5")
    assert json.loads(datagram(failed, "company-y.example", "v=TLSRPTv1;rua=mailto:a@b")) == {
        "dpv": "1",
        "d": "company-y.example",
        "pr": "v=TLSRPTv1;rua=mailto:a@b",
        "policies": [
            {
                "policy-type": 2,
                "policy-domain": "company-y.example",
                "policy-string": list(POLICY.strings),
                "mx-host": list(POLICY.mx_hosts),
                "failure-details": [{"c": 303, "s": "1.2.3.5", "n": "mailin.example.com", "r": "11.22.33.44", "f": "999 TEST"}],
                "t": 1,
                "f": 1,
            }
        ],
    }
    (policy,) = json.loads(datagram(replace(OUTCOME, policy=NO_POLICY), "company-y.example", ""))["policies"]
    assert policy == {"policy-type": 9, "t": 0, "f": 0}
