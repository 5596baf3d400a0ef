"""The JSON log of a running Gatepost: what decided, as fields, on the record whose words the mail log has."""

import json
from typing import Any

from tests.support.free_ports import free_port
from tests.support.running import System, wait_for

_TABLE = "inline:{{refused@example.com=REJECT not you},{held@example.com=HOLD look},{other@example.com=FILTER smtp:[127.0.0.1]:9}}"


def _records(system: System) -> list[dict[str, Any]]:
    file = system.folder / "records.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _decided(system: System, **fields: str) -> dict[str, Any]:
    """The first record that has these fields."""

    def found() -> dict[str, Any]:
        return next((record for record in _records(system) if fields.items() <= record.items()), {})

    return wait_for(found, f"a record with {fields}")


def test_what_was_decided_is_told_with_rule_table_and_key() -> None:
    nobody = free_port()
    main = {
        "json_log_file": "{dir}/records.json",
        "smtpd_sender_restrictions": f"permit_sasl_authenticated, check_sender_access {_TABLE}",
        "header_checks": "regexp:{dir}/header_checks",
        "relocated_maps": "inline:{moved@example.net=there@example.org}",
        "relayhost": f"[127.0.0.1]:{nobody}",
        "smtpd_recipient_restrictions": "check_client_access cidr:{dir}/clients, reject",
    }
    system = System(main)
    (system.folder / "header_checks").write_text("# what we do not want\n/^X-Y: / IGNORE\n/^Subject: bad/ REJECT no such thing\n")
    (system.folder / "clients").write_text("192.0.2.0/24 REJECT\n127.0.0.0/8 OK\n")
    with system:
        assert not system.send(sender="refused@example.com")
        refused = _decided(system, type="Judged", action="reject", where="RCPT")
        assert refused["rule"] == f"check_sender_access {_TABLE}"
        assert (refused["table"], refused["key"], refused["reason"]) == (_TABLE, "refused@example.com", "REJECT not you")
        assert [step["rule"] for step in refused["trace"]] == ["permit_sasl_authenticated", f"check_sender_access {_TABLE}"]
        for action, sender in (("hold", "held@example.com"), ("filter", "other@example.com")):
            assert system.send(sender=sender)
            assert _decided(system, type="Judged", action=action)["key"] == sender
        assert not system.send("Subject: bad\r\n\r\nx\r\n")
        header = _decided(system, type="Judged", service="cleanup")
        assert (header["rule"], header["table"]) == ("header_checks", f"regexp:{system.folder}/header_checks")
        assert (header["key"], header["reason"], header["line"]) == ("Subject: bad", "REJECT no such thing", 3)
        permitted = _decided(system, type="Permitted", sender="held@example.com")
        assert (permitted["rule"], permitted["key"]) == (f"check_client_access cidr:{system.folder}/clients", "127.0.0.1")
        assert permitted["reason"] == "OK"
        assert permitted["rule"] in [step["rule"] for step in permitted["trace"]]
        accepted = next(record for record in _records(system) if record["type"] == "Accepted")
        assert permitted["queue_id"] in {record["queue_id"] for record in _records(system) if record["type"] == "Accepted"}
        assert accepted["client"] == permitted["client"]
        assert " Permitted" not in system.log()
        assert system.send(to="c@example.net")
        deferred = _decided(system, type="Delivered", status="deferred", recipient="c@example.net")
        assert (deferred["rule"], deferred["key"]) == ("connect", "c@example.net")
        assert (deferred["table"], deferred["reason"]) == (f"127.0.0.1[127.0.0.1]:{nobody}", "Connection refused")
        system.command("sendmail", "-f", "a@example.com", "moved@example.net", input="Subject: x\n\nx\n")
        moved = _decided(system, type="Delivered", status="bounced")
        assert (moved["rule"], moved["table"]) == ("relocated_maps", "inline:{moved@example.net=there@example.org}")
        assert (moved["key"], moved["reason"]) == ("moved@example.net", "there@example.org")


def test_a_json_log_on_a_full_disk_costs_no_mail_and_no_line() -> None:
    with System({"json_log_file": "/dev/full", "maillog_file_prefixes": "{dir}, /dev/full", "defer_transports": "smtp"}) as system:
        assert all(system.send() for _ in range(3))
        assert system.logged("status=deferred")
        assert "are lost if that lasts: /dev/full: No space left on device" in system.output()
