"""The tables of experiments/README.md are those of the CSVs, and the means those of the rows."""

import pytest

from ddnn.errors import ConfigError
from experiments.shared.rows import read_csv
from experiments.shared.script import OF_RECORD
from experiments.table_list import TABLES
from experiments.table_shape import Column, Table
from experiments.tables import READMES, filled, markdown, of_record, write_all_means


def test_the_means_are_those_of_the_rows(tmp_path):
    write_all_means(tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.rglob("*-means.csv")}
    assert written == {path.name: path.read_text() for path in OF_RECORD.rglob("*-means.csv")}


def test_the_readme_says_what_the_means_say():
    texts = [path.read_text(encoding="utf-8") for path in READMES]
    assert [filled(text) for text in texts] == texts
    for name in TABLES:
        assert any(f"<!-- table {name} -->" in text for text in texts)


def test_every_launch_of_record_answered_as_the_offline_network():
    for path in of_record():
        for line in read_csv(path):
            place = f"{path.name}: {line['setting']}, {line['row']}"
            assert float(line.get("equal_verdicts") or 100) == 100, place


def test_a_cell_is_mean_interval_and_published_value_and_no_row_is_empty(tmp_path):
    (tmp_path / "own-means.csv").write_text(
        "setting,row,measure,mean,low,high,of,published,seeds\n"
        "a,r,local,90.00,82.56,94.48,samples,92,1\n"
        "a,r,payload_bytes,3072.00,,,,,1\n"
    )
    columns = [Column("local", "local"), Column("both", "local / payload_bytes", short=True)]
    table = Table("own", "name", {"one": ("a", "r"), "two": ("a", "none")}, columns)
    assert markdown(table, tmp_path).splitlines()[2:] == [
        "| one | 90.0 (82.6 – 94.5) [92] | 90.0 / 3,072.0 |",
    ]


def test_a_table_without_a_description_is_named():
    with pytest.raises(ConfigError, match=r"README\.md: table 'tabel1', want one of headline"):
        filled("<!-- table tabel1 -->\n<!-- end -->")
