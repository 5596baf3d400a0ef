"""Cores of gatepost.identity: what strangers publish in the DNS."""

from gatepost.identity.spf.evaluation import EXPLANATION_LIMIT, check_host
from gatepost.identity.spf.header import LINE_LIMIT, About, received_spf
from gatepost.identity.spf.port import Answer, Case, Question, Result, Verdict

_TERMS, _RECORDS = 10, 11


def spf_policies(octets: bytes) -> None:
    """The first line is the sender, the second what the client calls itself, each of the others what the DNS has, in turn."""
    sender, helo, *answers = (octets.decode("utf-8", "surrogateescape") + "\n").split("\n", 40)
    for address in ("192.0.2.1", "2001:db8::1"):
        asked: list[Question] = []
        verdict = _evaluated(Case(address=address, domain="a.test", sender=f"{sender}@a.test", helo=helo), answers, asked)
        assert len(asked) <= 2 + _TERMS * _RECORDS
        assert verdict.explanation.isprintable()
        assert len(verdict.explanation) <= EXPLANATION_LIMIT
        line = received_spf(verdict, About(address, helo, sender, "mx.test", "mx.test"))
        assert line.isprintable()
        assert len(line) <= LINE_LIMIT


def _evaluated(case: Case, answers: list[str], asked: list[Question]) -> Verdict:
    plan = check_host(case)
    try:
        questions = next(plan)
        while True:
            asked += questions
            questions = plan.send(tuple(_answer(question, answers, len(asked)) for question in questions))
    except StopIteration as end:
        verdict: Verdict = end.value
        assert verdict.result in Result
        return verdict


def _answer(question: Question, answers: list[str], number: int) -> Answer:
    """Of addresses there are two, as a resolver gives nothing else; of texts and names whatever is written."""
    assert question.name.isprintable()
    if question.record in ("A", "AAAA"):
        return Answer(({"A": "192.0.2.1", "AAAA": "2001:db8::1"}[question.record],) if number % 3 == 0 else ())
    if not answers:
        return Answer(failed=number % 2 == 0)
    text = answers[number % len(answers)]
    return Answer((text,) if question.record == "TXT" else tuple(text.split(" ")))
