"""What `postconf` prints, changes and says, as Postfix 3.7's does. (The golden cases play many more of them end to end.)"""

from pathlib import Path

import pytest

from gatepost.cli.postconf import main

MAIN = """\
# head
compatibility_level = 3.6
myhostname = mail.example.test
mydomain = example.test
mynetworks = 127.0.0.0/8,
  10.0.0.0/8
my_own = 1
"""
MASTER = """\
# services
smtp      inet  n       -       n       -       -       smtpd
  -o syslog_name=postfix/in
  -o { smtpd_banner = $myhostname ready }
scan unix - n n 300? - pipe
  flags=Rq user=vmail argv=/usr/bin/filter -f ${sender}
"""
UNUSED = "postconf: warning: {}/main.cf: unused parameter: my_own=1\n"


class Ran:
    def __init__(self, directory: Path, status: int, out: str, err: str) -> None:
        self.status, self.out = status, out
        self.err = err.replace(str(directory), "DIR")


class Installed:
    """A configuration directory to run the command on."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys
        self.main = directory / "main.cf"
        self.master = directory / "master.cf"
        self.main.write_text(MAIN)
        self.master.write_text(MASTER)

    def run(self, *arguments: str) -> Ran:
        status = main(["postconf", "-c", str(self.directory), *arguments])
        told = self._capsys.readouterr()
        return Ran(self.directory, status, told.out, told.err)


@pytest.fixture
def installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Installed:
    return Installed(tmp_path, capsys)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        ("myhostname mydomain", "myhostname = mail.example.test\nmydomain = example.test\n"),
        ("-h myhostname", "mail.example.test\n"),
        ("-H myhostname", "myhostname\n"),
        ("mynetworks", "mynetworks = 127.0.0.0/8, 10.0.0.0/8\n"),
        ("myorigin", "myorigin = $myhostname\n"),
        ("-x myorigin smtpd_banner", "myorigin = mail.example.test\nsmtpd_banner = mail.example.test ESMTP Postfix\n"),
        ("-x -o mydomain=o.test mydestination", "mydestination = mail.example.test, localhost.o.test, localhost\n"),
        ("-d mydestination", "mydestination = $myhostname, localhost.$mydomain, localhost\n"),
        ("-n mydomain relayhost", "mydomain = example.test\n"),
        ("-d maillog_format", "maillog_format = postfix\n"),
        ("scan_time_limit", "scan_time_limit = $command_time_limit\n"),
        (
            "-M scan",
            "scan       unix  -       n       n       300?    -       pipe flags=Rq user=vmail argv=/usr/bin/filter -f ${sender}\n",
        ),
        ("-F scan/unix/wakeup", "scan/unix/wakeup = 300?\n"),
        ("-P", "smtp/inet/smtpd_banner = $myhostname ready\nsmtp/inet/syslog_name = postfix/in\n"),
        ("-Px */inet/smtpd_banner", "smtp/inet/smtpd_banner = mail.example.test ready\n"),
        ("-l", "flock\nfcntl\ndotlock\n"),
    ],
)
def test_shown(installed: Installed, arguments: str, out: str) -> None:
    ran = installed.run(*arguments.split())
    assert (ran.status, ran.out) == (0, out)


def test_set_parameters_and_what_is_unused(installed: Installed) -> None:
    ran = installed.run("-nH")
    assert ran.out.split() == ["compatibility_level", "config_directory", "mydomain", "myhostname", "mynetworks"]
    assert ran.err == UNUSED.format("DIR")


def test_unknown_name_warns_and_the_rest_is_shown(installed: Installed) -> None:
    ran = installed.run("nosuch", "mydomain")
    assert (ran.status, ran.out) == (0, "mydomain = example.test\n")
    assert ran.err.startswith("postconf: warning: nosuch: unknown parameter\n")


@pytest.mark.parametrize(
    ("arguments", "err"),
    [
        (["-n", "-d"], "specify one of -d -n"),
        (["-e", "-X", "a"], "specify one of -e -X"),
        (["-X", "a=b"], "specify one of -e -X"),
        (["-h", "-H"], "specify one of -h -H"),
        (["-M", "-F"], "specify one of -F -M"),
        (["-M", "-h"], "with option -M, do not specify -h"),
        (["-P", "-#", "a/b/c"], "with option -P, do not specify -#"),
        (["-C", "bad"], 'unknown -C option value "bad" in "bad"'),
        (["-e"], "-e requires name=value argument"),
        (["-e", "foo"], "missing '=' after attribute name: \"foo\""),
        (["-e", "=x"], 'missing attribute name: "=x"'),
        (["-o", "foo"], "invalid parameter override: foo: missing '=' after attribute name"),
        (["-M", "a/b/c"], "-M option requires service_name[/type]"),
        (["-MX", "smtp"], "-Me, -MX or -M# requires service_name/type"),
        (["-F", "smtp/inet/foo"], 'invalid service attribute name: "foo"'),
        (["-F", "smtp/inet/wakeup=x"], 'invalid wakeup field "x" in "x"'),
        (["-P", "smtp/inet/a=b c"], "-Pe does not accept whitespace in parameter value"),
        (["-M", "a/unix=b unix"], 'bad field count: "a/unix=b unix"'),
    ],
)
def test_refused(installed: Installed, arguments: list[str], err: str) -> None:
    ran = installed.run(*arguments)
    assert (ran.status, ran.err) == (1, f"postconf: fatal: {err}\n")
    assert (installed.main.read_text(), installed.master.read_text()) == (MAIN, MASTER)


def test_expression_that_cannot_be_read_is_told_whatever_is_asked(installed: Installed) -> None:
    installed.main.write_text("smtpd_banner = ${myhostname\n")
    ran = installed.run("mydomain")
    complaint = 'postconf: warning: truncated macro reference: "${myhostname"\n'
    assert (ran.status, ran.out, ran.err) == (1, "", complaint * 2 + "postconf: fatal: macro processing error\n")


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        (["mydomain=new.test"], "mydomain = example.test", "mydomain = new.test"),
        (["-e", "mynetworks = 1.1.1.1"], "127.0.0.0/8,\n  10.0.0.0/8", "1.1.1.1"),
        (["-X", "my_own"], "my_own = 1\n", ""),
        (["-#", "mynetworks"], "mynetworks = 127.0.0.0/8,\n  10", "#mynetworks = 127.0.0.0/8,\n#  10"),
    ],
)
def test_main_is_edited(installed: Installed, arguments: list[str], before: str, after: str) -> None:
    assert installed.run(*arguments).status == 0
    assert installed.main.read_text() == MAIN.replace(before, after)


@pytest.mark.parametrize(
    ("argument", "lines"),
    [
        (
            "-P smtp/inet/mydomain=q",
            ["    -o syslog_name=postfix/in", "    -o {smtpd_banner=$myhostname ready}", "    -o mydomain=q"],
        ),
        ("-P smtp/inet/syslog_name=q", ["    -o syslog_name=q", "    -o {smtpd_banner=$myhostname ready}"]),
        ("-PX smtp/inet/syslog_name", ["    -o {smtpd_banner=$myhostname ready}"]),
    ],
)
def test_parameters_of_a_service_are_edited(installed: Installed, argument: str, lines: list[str]) -> None:
    assert installed.run(*argument.split()).status == 0
    scan = "".join(MASTER.splitlines(keepends=True)[4:])
    head = "# services\nsmtp       inet  n       -       n       -       -       smtpd\n"
    assert installed.master.read_text() == head + "\n".join(lines) + "\n" + scan


def test_services_are_edited(installed: Installed) -> None:
    installed.run("-M", "smtp/inet=smtp inet n - y - 9 smtpd")
    installed.run("-M", "new/unix=new unix - - n - - pipe argv=/bin/true")
    installed.run("-F", "scan/unix/wakeup=60")
    assert installed.master.read_text() == (
        "# services\n"
        "smtp       inet  n       -       y       -       9       smtpd\n"
        "scan       unix  -       n       n       60      -       pipe flags=Rq\n"
        "    user=vmail argv=/usr/bin/filter -f ${sender}\n"
        "new        unix  -       -       n       -       -       pipe argv=/bin/true\n"
    )
    installed.run("-MX", "scan/unix")
    installed.run("-M#", "new/unix")
    assert installed.master.read_text().splitlines()[2:] == [
        "#new        unix  -       -       n       -       -       pipe argv=/bin/true"
    ]
    ran = installed.run("-F", "nosuch/inet/chroot=y")
    assert (ran.status, ran.err) == (0, 'postconf: warning: unmatched service_name/type: "nosuch/inet/chroot=y"\n')


def test_bad_master_ends_a_look_but_no_change_of_main(installed: Installed) -> None:
    installed.master.write_text("smtp inet n - n - x smtpd\n")
    ran = installed.run("-n")
    assert (ran.status, ran.err) == (1, 'postconf: fatal: invalid process_limit field "x" in "smtp inet n - n - x smtpd"\n')
    assert installed.run("mydomain=new.test").status == 0


def test_table_types(installed: Installed) -> None:
    types = installed.run("-m").out.split()
    assert types == sorted(types)
    assert {"cidr", "hash", "pcre", "proxy", "regexp", "static", "texthash"} <= set(types)


def test_missing_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["postconf", "-c", "/nonexistent", "-n"]) == 1
    assert capsys.readouterr().err == "postconf: fatal: open /nonexistent/main.cf: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "err"),
    [
        (["-M", "/inet"], "-M option requires service_name[/type]"),
        (["-Fe", "smtp/inet=n"], "-Fe or -FX requires service_name/type/field_name"),
        (["-Pe", "smtp//x=n"], "-Pe or -PX requires service_name/type/parameter"),
        (["-e", " #my_own = 2"], "-e, -X, or -# accepts no comment input"),
        (["-Me", "#smtp/inet=x"], "-Me, -Fe, -Pe, -X, or -# accept no comment input"),
        (["-b", "one", "two"], "options -b and -t require at most one template file"),
    ],
)
def test_requests_that_make_no_sense(installed: Installed, arguments: list[str], err: str) -> None:
    ran = installed.run(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"postconf: fatal: {err}\n"


def test_slashes_too_many_in_a_request_do_not_matter(installed: Installed) -> None:
    assert installed.run("-F", "smtp//inet/chroot/").out == "smtp/inet/chroot = n\n"
    assert installed.run("-P", "smtp/inet/").out == (
        "smtp/inet/smtpd_banner = $myhostname ready\nsmtp/inet/syslog_name = postfix/in\n"
    )


def test_an_option_that_does_not_exist(installed: Installed) -> None:
    assert installed.run("-z").err.startswith("postconf: invalid option -- 'z'\npostconf: fatal: usage: postconf [-a ")


def test_values_that_refer_to_each_other_matter_only_where_expanded(installed: Installed) -> None:
    installed.main.write_text(MAIN + "one = $two\ntwo = $one\n")
    assert installed.run("one").out == "one = $two\n"
    assert installed.run("-x", "one").err.endswith("postconf: fatal: macro processing error\n")


def test_templates_as_written_and_expanded(installed: Installed, tmp_path: Path) -> None:
    file = tmp_path / "templates"
    file.write_text("verify_template = <<XX\nSubject: v\n\nverify $mydomain after $maximal_queue_lifetime_days days\nXX\n")
    written = installed.run("-t", str(file)).out
    assert written.startswith(
        "failure_template = <<EOF\nCharset: us-ascii\nFrom: Mail Delivery System <MAILER-DAEMON>\nSubject: Und"
    )
    assert "\nPostmaster-Subject: Postmaster Copy: Undelivered Mail\n\nThis is the mail system at host $myhostname.\n" in written
    assert "                   The mail system\nEOF\n\ndelay_template = <<EOF\n" in written
    assert written.endswith("Subject: v\n\nverify $mydomain after $maximal_queue_lifetime_days days\nEOF\n")
    expanded = installed.run("-b", str(file)).out
    assert expanded.startswith("expanded_failure_text = <<EOF\nThis is the mail system at host mail.example.test.\n")
    assert expanded.endswith("EOF\n\nexpanded_verify_text = <<EOF\nverify example.test after 5 days\nEOF\n")
    missing = installed.run("-b", str(tmp_path / "none"))
    assert (missing.status, missing.out) == (1, "")
    assert missing.err == "postfix/bounce: fatal: open DIR/none: No such file or directory\n"


def test_parameters_of_services_are_not_built_in(installed: Installed) -> None:
    installed.master.write_text("local unix - n n - - local\n")
    assert "local_destination_recipient_limit" not in installed.run("-C", "builtin").out
    assert "local_destination_recipient_limit = 1\n" in installed.run("-C", "service").out
