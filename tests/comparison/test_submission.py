"""The file to hand in: what is wrong in it is named."""

import json
from copy import deepcopy

import pytest

from ddnn.comparison.submission import joined, read_submission
from ddnn.comparison.tables import csv_rows, tables
from ddnn.errors import ConfigError
from ddnn.report.tables import plain_console

ROWS = [
    {"seed": 0, "bit_error_rate": 0.0, "lost": 0, "accuracy": 0.9, "worst": 0.9, "bytes": 12.0},
    {"seed": 0, "bit_error_rate": 0.0, "lost": 1, "accuracy": 0.6, "worst": 0.5, "bytes": 6.0},
]
AREA = {"bit_error_rate": 0.0, "area": (0.9 + 0.6 + 0.3) / 3, "low": 0.5, "high": 0.7}
TASK = {
    "name": "two",
    "digest": "ab" * 32,
    "classes": 3,
    "devices": 2,
    "test_samples": 10,
    "things": 10,
    "commonest": 0.3,
}
GOOD = {
    "benchmark": "ddnn",
    "version": 1,
    "tasks": [TASK],
    "results": [{"task": "two", "method": "mine", "rows": ROWS, "areas": [AREA]}],
    "versions": {"ddnn": "0.1.0"},
    "processor": "x86_64",
}


def written(tmp_path, document, name="mine.json"):
    path = tmp_path / name
    path.write_text(json.dumps(document))
    return path


def test_a_whole_file_is_read_and_shown(tmp_path):
    submission = read_submission(written(tmp_path, GOOD))
    assert submission.results[0].mean(1, 0.0) == 0.6
    assert [row[:2] for row in csv_rows(submission)] == [("two", "mine")] * 2
    console = plain_console()
    with console.capture() as shown:
        for made in tables(submission.tasks, submission.results):
            console.print(made)
    assert "mine" in shown.get()
    assert "50.0 – 70.0" in shown.get()


def change(path: str, value: object):
    def changed(document):
        *keys, last = path.split(".")
        for key in keys:
            document = document[int(key) if key.isdigit() else key]
        document[int(last) if last.isdigit() else last] = value

    return changed


WRONG = {
    "another version": (change("version", 2), "version: got 2, want 1"),
    "unknown key": (change("hello", 1), "unknown key"),
    "area of other rows": (
        change("results.0.areas.0.area", 0.61),
        "results.0.areas.0.area: got 0.610000, its rows say 0.600000",
    ),
    "a row twice": (change("results.0.rows.1.lost", 0), "results.0.rows: got 2, want one for each"),
    "a rate without an area": (
        change("results.0.rows.1.bit_error_rate", 0.01),
        "results.0.rows: got 2, want one for each",
    ),
    "no such task": (change("results.0.task", "one"), "results.0.task: got 'one', want one of two"),
    "more than all right": (
        change("results.0.rows.0.accuracy", 1.2),
        "results.0.rows.0.accuracy: got 1.2, want less than or equal to 1",
    ),
    "no digest": (change("tasks.0.digest", "x"), "tasks.0.digest: got 'x'"),
}


@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_with_the_place(tmp_path, wrong, said):
    document = deepcopy(GOOD)
    wrong(document)
    path = written(tmp_path, document)
    with pytest.raises(ConfigError) as caught:
        read_submission(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="want a submission"):
        read_submission(tmp_path / "none.json")


def test_files_of_other_data_are_not_put_beside_each_other(tmp_path):
    other = deepcopy(GOOD)
    change("tasks.0.digest", "cd" * 32)(other)
    files = [written(tmp_path, GOOD), written(tmp_path, other, "other.json")]
    with pytest.raises(
        ConfigError, match="two: digest cdcdcdcdcdcd and abababababab: want the same"
    ):
        joined(map(read_submission, files))
