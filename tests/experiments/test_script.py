"""Where the scripts write, and how they tell a mistake."""

import argparse

import pytest

from ddnn.errors import ConfigError
from experiments.shared.script import OF_RECORD, add_places, command, results_folder


def test_only_who_names_them_touches_the_results_of_record(tmp_path):
    parser = argparse.ArgumentParser()
    add_places(parser, smoke="less")
    folders = {results_folder(parser.parse_args(words)) for words in ([], ["--smoke"])}
    assert len(folders | {OF_RECORD}) == 3
    given = parser.parse_args(["--smoke", "--out", str(tmp_path)])
    assert results_folder(given) == tmp_path


def test_a_mistake_is_one_line():
    def wrong() -> None:
        raise ConfigError("run: no such folder")

    with pytest.raises(SystemExit, match=r"^error: run: no such folder$"):
        command(wrong)
