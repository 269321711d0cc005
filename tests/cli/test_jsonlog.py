"""Logs as JSON."""

import json
from datetime import datetime

from ddnn.cli.jsonlog import json_log


def test_each_line_is_one_object_whatever_is_said(capsys):
    say = json_log("launch", "star")
    for message in ("8 nodes ready", 'a "quoted"\nline\x00 with ünïcode'):
        say(message)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == [
        "8 nodes ready",
        'a "quoted"\nline\x00 with ünïcode',
    ]
    assert {(line["level"], line["command"], line["topology"]) for line in lines} == {
        ("info", "launch", "star")
    }
    assert datetime.fromisoformat(lines[0]["time"]).tzinfo is not None
