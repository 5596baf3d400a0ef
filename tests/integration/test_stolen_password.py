"""The brake for stolen passwords in a running Gatepost: users log in, send too much, are held, and somebody decides."""

import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.submitters import ANNA, BERTA, MAIN, Make, held, send, session, started, submission, xclient
from tests.integration.system import System
from tests.support.running import wait_for


def _counted(one: System, name: str) -> list[str]:
    """What `show` says of Anna: numbers of the last hour and day."""
    return next(line.split()[-2:] for line in submission(one, "show", ANNA).splitlines() if line.strip().startswith(name))


def test_a_burst_is_held_told_once_and_released(system: Make) -> None:
    one = started(system, "submission_message_hour_limit = 3\nerror_notice_recipient = boss@example.test\n")
    with session(one, ANNA) as client:
        for number in range(6):
            send(client, f"burst {number}")
    with session(one, BERTA) as client:
        send(client, "from berta")
    for subject in ("burst 0", "burst 1", "burst 2", "from berta"):
        one.arrival(f"Subject: {subject}\r\n".replace("\r\n", "\n").encode())
    assert len(held(one)) == 3
    one.logged("hold: END-OF-MESSAGE from", f"mail of {ANNA} is held: 4 messages in an hour, submission_message_hour_limit is 3")
    one.logged("warning: mail of", "gatepost submission")
    notices = [one.arrival(text) for text in (b"To: Postmaster <boss@example.test>", b"To: <anna@example.test>")]
    assert f"gatepost submission release --lift {ANNA}".encode() in notices[0]
    assert b"somebody has your password" in notices[1]

    listed = submission(one, "list").splitlines()
    assert len(listed) == 2
    assert listed[1].split()[0] == ANNA
    assert listed[1].split()[3] == "3"
    told = submission(one, "show", ANNA)
    assert "messages on hold: 3" in told
    assert "from 127.0.0.0/24, last on" in told
    assert _counted(one, "messages") == ["3", "3"]

    assert submission(one, "release", ANNA) == f"{ANNA}: 3 messages released\n"
    for number in (3, 4, 5):
        one.arrival(f"Subject: burst {number}\n".encode())
    with session(one, ANNA) as client:
        send(client, "still blocked")
    assert len(held(one)) == 1
    assert "not blocked any more" in submission(one, "release", "--lift", ANNA.upper())
    one.arrival(b"Subject: still blocked\n")
    with session(one, ANNA) as client:
        send(client, "free again")
    one.arrival(b"Subject: free again\n")
    assert submission(one, "list") == ""
    assert sum(b"is held\n" in mail for mail in one.delivered()) == 2, "one notice each, however much was held"
    assert one.audit().returncode == 0


def test_purge_and_blocks_by_hand(system: Make) -> None:
    one = started(system, "submission_message_hour_limit = 100\n")
    assert submission(one, "block", BERTA) == f"{BERTA}: blocked\n"
    with session(one, BERTA) as client:
        send(client, "spam 1")
        send(client, "spam 2")
    with session(one, ANNA) as client:
        send(client, "honest")
    one.arrival(b"Subject: honest\n")
    assert "blocked by" in submission(one, "list")
    assert submission(one, "purge", BERTA) == f"{BERTA}: 2 messages deleted\n"
    with session(one, BERTA) as client:
        send(client, "spam 3")
    assert submission(one, "purge", "--lift", BERTA).splitlines() == [
        f"{BERTA}: not blocked any more",
        f"{BERTA}: 1 message deleted",
    ]
    with session(one, BERTA) as client:
        send(client, "good")
    one.arrival(b"Subject: good\n")
    assert not any(b"spam" in mail for mail in one.delivered())
    assert submission(one, "release", BERTA, status=1) == f"{BERTA}: 0 messages released\n"
    submission(one, "show", "nobody@example.com", status=1)
    assert submission(one, "lift", "nobody@example.com") == "nobody@example.com: was not blocked\n"
    for words in ((), ("list", "x"), ("show",), ("block", "a", "b"), ("purge", "--all", "x"), ("lift", "--lift", "x")):
        submission(one, *words, status=64)


def test_who_was_sent_to_by_a_release_is_not_new(system: Make) -> None:
    one = started(system, "submission_new_recipient_day_limit = 2\n")
    people = [f"member{number}@example.test" for number in range(3)]
    with session(one, ANNA) as client:
        send(client, "to the club", *people)
        assert len(held(one)) == 1
        assert submission(one, "release", "--lift", ANNA).endswith("1 message released\n")
        send(client, "to the club again", *people)
        assert held(one) == []
    one.arrival(b"Subject: to the club again\n")


def test_what_others_hold_is_not_released(system: Make) -> None:
    restrictions = "smtpd_recipient_restrictions = check_recipient_access inline:{suspect@example.test=HOLD}\n"
    one = started(system, f"submission_message_hour_limit = 1\n{restrictions}")
    with session(one, ANNA) as client:
        send(client, "one")
        send(client, "two")
        send(client, "three", "suspect@example.test")
    assert len(held(one)) == 2
    assert submission(one, "release", "--lift", ANNA).endswith("1 message released\n")
    one.arrival(b"Subject: two\n")
    assert len(held(one)) == 1


def test_limits_are_exact_over_all_workers(system: Make) -> None:
    """Forty sessions at once, five messages each, over three workers: of one login no more goes out than the limit says."""
    one = started(
        system,
        "worker_processes = 3\nsubmission_recipient_hour_limit = 101\nsubmission_new_recipient_day_limit = 5000\n"
        "submission_new_network_day_limit = 60\n",
    )

    def sessions(number: int) -> None:
        with xclient(one, "Thief@example.com" if number % 2 else "thief@EXAMPLE.com", f"10.0.{number}.1") as client:
            for message in range(5):
                send(client, f"{number}.{message}", *(f"r{number}-{message}-{i}@example.test" for i in range(3)))

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(sessions, range(40)))
    wait_for(lambda: len(one.delivered()) >= 33 * 3, "what may go out")
    wait_for(lambda: len(held(one)) == 200 - 33, "what is held")
    assert one.log().count("warning: mail of") == 1
    assert "99" in submission(one, "show", "thief@example.com")


def test_bounces_count_and_blocks_outlive_a_restart(system: Make) -> None:
    one = started(
        system,
        "submission_bounce_hour_limit = 2\nvirtual_mailbox_maps = inline:{good@example.test=box/}\n"
        "smtpd_reject_unlisted_recipient = no\n",
    )
    with session(one, ANNA) as client:
        send(client, "bad", "x1@example.test", "x2@example.test", "x3@example.test")
        one.logged("sender non-delivery notification")
        wait_for(
            lambda: "bounces " + " " * 8 + " " in submission(one, "show", ANNA) and " 3 " in submission(one, "show", ANNA),
            "counted",
        )
        send(client, "next")
    assert len(held(one)) == 1
    one.stop()
    one.start()
    with session(one, ANNA) as client:
        send(client, "after a restart")
    assert len(held(one)) == 2
    assert "3 bounces in an hour, submission_bounce_hour_limit is 2" in submission(one, "list")


def test_new_networks_and_a_dry_run(system: Make) -> None:
    one = started(
        system, "submission_new_network_day_limit = 2\nsubmission_limit_action = warn\nsubmission_limit_exceptions = news\n"
    )
    for number in range(3):
        for login in ("mover@example.com", "news"):
            with xclient(one, login, f"IPV6:2001:db8:{number}::1") as client:
                send(client, f"{login} {number}")
    one.logged(
        "warn: END-OF-MESSAGE from", "mail of mover@example.com would be held: 3 new networks in a day,"
        " submission_new_network_day_limit is 2",
    )  # fmt: skip
    assert held(one) == []
    assert "news" not in submission(one, "list", "--all")


@pytest.mark.parametrize("login", ["x\x1b]0;owned\x07@example.com", "a'; reboot #", "\u202egnp", "-rf", "l" * 240], ids=ascii)
def test_hostile_logins(system: Make, login: str) -> None:
    """They are counted, held and shown, and do nothing to a terminal, a shell, the log or a notice."""
    one = started(system, "submission_message_hour_limit = 1\nerror_notice_recipient = boss@example.test\n")
    with xclient(one, login.encode().decode("latin-1")) as client:
        send(client, "one")
        send(client, "two")
    one.logged("warning: mail of")
    [row] = submission(one, "list").splitlines()[1:]
    assert row.isprintable()
    assert "\x1b" not in one.log()
    notice = one.arrival(b"All mail of the login").decode()
    [line] = [line for line in notice.splitlines() if line.startswith("    gatepost submission release")]
    assert submission(one, *shlex.split(line)[2:]).endswith(": 1 message released\n")
    one.arrival(b"Subject: two\n")


def test_a_filter_before_the_queue_is_refused_with_a_remedy(system: Make) -> None:
    one = system(MAIN + "submission_message_hour_limit = 1\nsmtpd_proxy_filter = 127.0.0.1:1\n")
    done = one.command("start", "--foreground")
    assert done.returncode != 0
    assert "smtpd_proxy_filter" in done.stderr + done.stdout + one.log()
