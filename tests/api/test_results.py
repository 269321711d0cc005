"""What calls of the public interface give back."""

import pytest

from ddnn.api.results import EvaluationResult


def test_an_earlier_evaluation_keeps_its_own_rows(tmp_path):
    """Both are of one run, whose folder has the latest one's files."""
    pytest.importorskip("pandas", reason="needs pandas")
    (tmp_path / "verdicts.csv").write_text("sample,label\n9,bus\n")
    found = EvaluationResult(report={}, folder=tmp_path, rows=(("sample", "label"), ("0", "car")))
    assert found.to_pandas().to_dict("list") == {"sample": [0], "label": ["car"]}
