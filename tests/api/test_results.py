"""What calls of the public interface give back."""

import pytest

from ddnn.api.results import EvaluationResult, FailureResult


def test_an_earlier_evaluation_keeps_its_own_rows(tmp_path):
    """Both are of one run, whose folder has the latest one's files."""
    pytest.importorskip("pandas", reason="needs pandas")
    (tmp_path / "verdicts.csv").write_text("sample,label\n9,bus\n")
    found = EvaluationResult(report={}, folder=tmp_path, rows=(("sample", "label"), ("0", "car")))
    assert found.to_pandas().to_dict("list") == {"sample": [0], "label": ["car"]}


def test_columns_hold_numbers_whatever_the_exits_are_called_and_text_where_it_is_text():
    pytest.importorskip("pandas", reason="needs pandas")
    header = ("lost", "present", "count", "fog", "overall", "fog_share")
    row = ("cam0", "011111", "1", "0.5", "0.25", "")
    (found,) = FailureResult(report={}, subsets=(header, row)).to_pandas().to_dict("records")
    assert found["fog_share"] != found["fog_share"]  # none: not a number
    del found["fog_share"]
    assert found == {"lost": "cam0", "present": "011111", "count": 1, "fog": 0.5, "overall": 0.25}
