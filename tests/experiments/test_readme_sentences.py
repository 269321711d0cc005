"""Figures in the sentences of both READMEs are those of the rows of record."""

from __future__ import annotations

import re

import pytest

from ddnn.errors import ConfigError
from experiments.sentence_list_more import GIVEN
from experiments.sentence_shape import Cell, Rows, Sentence, filled
from experiments.tables import READMES, SENTENCES

FIGURE = re.compile(
    r"(?<![\w.])-?\d[\d,]*\.\d+"
    r"|(?<![\w.])\d[\d,]*(?=\s+(?:%|points?\b|of\s+the\b|bytes\b|B\b|ms\b|times\b|MB\b))"
    r"|(?<![\w.])\d[\d,]*(?=%)"
)
NO_PROSE = (
    re.compile(r"<!-- (?:table \S+|defaults|chosen) -->.*?<!-- end -->", re.DOTALL),
    re.compile(r"```.*?```", re.DOTALL),
    re.compile(r"^ {0,3}\|.*$", re.MULTILINE),
    re.compile(r"`[^`]*`"),
)
PAGES = dict(zip(("experiments", "main"), READMES, strict=True))


def prose(page: str) -> str:
    """The page with blanks in place of tables, code and rows of hand-made tables."""
    for pattern in NO_PROSE:
        page = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), page)
    return page


@pytest.mark.parametrize("name", PAGES)
def test_figures_of_sentences_are_those_of_the_rows(name):
    page = PAGES[name].read_text(encoding="utf-8")
    assert filled(page, SENTENCES[PAGES[name]]) == page


@pytest.mark.parametrize("name", PAGES)
def test_each_figure_has_a_sentence_or_is_known_to_have_no_row(name):
    page = PAGES[name].read_text(encoding="utf-8")
    held = [sentence.found(page).span() for sentence in SENTENCES[PAGES[name]]]
    for phrase in GIVEN:
        words = r"\s+".join(map(re.escape, phrase.split()))
        held += [found.span() for found in re.finditer(words, page)]
    loose = [
        page[max(0, found.start() - 50) : found.end() + 30]
        for found in FIGURE.finditer(prose(page))
        if not any(start <= found.start() and found.end() <= end for start, end in held)
    ]
    assert loose == []


@pytest.mark.parametrize("phrase", GIVEN)
def test_phrases_that_have_no_row_are_on_a_page(phrase):
    pages = [" ".join(path.read_text(encoding="utf-8").split()) for path in READMES]
    assert any(" ".join(phrase.split()) in page for page in pages)


def test_a_wrong_figure_is_written_anew_and_words_and_lines_stay():
    cell = Cell({"0": 1.0, "1": 2.0, "2": 3.3})
    sentence = Sentence("gains {0:.1f} points ({0.low:.1f} to {0.high:.1f})", cell)
    page = "It gains 9.9\npoints (1.0 to 7.0), no more."
    assert filled(page, [sentence]) == "It gains 2.1\npoints (-0.8 to 5.0), no more."


def test_a_sentence_that_a_page_lacks_or_has_twice_is_told():
    sentence = Sentence("{0:.0f} points", Cell({"0": 1.0}))
    for page in ("no figure", "1 points and 2 points"):
        with pytest.raises(ConfigError, match="times on the page, want once"):
            filled(page, [sentence])


def test_differences_are_of_pairs_of_the_same_seed():
    difference = Cell({"0": 5.0, "1": 7.0, "2": 9.0}) - Cell({"0": 4.0, "2": 6.0, "3": 0.0})
    assert difference.by_seed == {"0": 1.0, "2": 3.0}
    assert (difference.value, difference.least, difference.most, difference.ahead) == (2, 1, 3, 2)


def test_a_cell_that_no_row_has_is_told():
    with pytest.raises(ConfigError, match="no robust, 9"):
        Rows("ablation-rendered")("robust", 9)


def test_an_interval_of_two_seeds_is_none():
    with pytest.raises(ConfigError, match="want at least 3"):
        _ = Cell({"0": 1.0, "1": 2.0}).low


def test_zero_has_no_sign():
    assert Sentence("{0:.1f}", Cell({"0": -0.04})).figures() == ["0.0"]
