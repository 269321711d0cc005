"""The report folder of a live system."""

import json

from ddnn.live.files import ServeFiles

REPORT = {"answered": 3, "bytes": {"links": []}}


def test_a_table_that_cannot_be_written_costs_no_report(tmp_path):
    (tmp_path / "links.csv").mkdir()
    files = ServeFiles(tmp_path)
    files.close(dict(REPORT), ())
    (line,) = files.unwritten
    assert "links.csv" in line
    assert (tmp_path / "memory.csv").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["answered"], report["unwritten"]) == (3, [line])
