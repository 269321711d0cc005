"""The means of record from their rows, pictures from the means, and the tables and the figures in
sentences of both READMEs from both.

    python experiments/tables.py

A table stands in a README between `<!-- table NAME -->` and `<!-- end -->`. A cell is a mean, its
95 % interval and, in brackets, the published value. Rows that no CSV has yet are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path

from matplotlib.figure import Figure

from ddnn.errors import ConfigError
from ddnn.report.files import write_bytes
from experiments.sentence_list import FIRST, MAIN
from experiments.sentence_list_more import OTHERS
from experiments.sentence_shape import filled as with_figures
from experiments.shared.pictures import write_picture
from experiments.shared.rows import Mean, Means, cell, read_means, read_rows, write_means
from experiments.shared.script import FOLDER, OF_RECORD
from experiments.shared.study import Experiment
from experiments.table_list import TABLES
from experiments.table_shape import Column, Table

README = FOLDER / "README.md"
READMES = (README, FOLDER.parent / "README.md")
"""Whose tables are those of the CSVs."""
SENTENCES = {READMES[0]: (*FIRST, *OTHERS), READMES[1]: tuple(MAIN)}
"""With figures, of each."""
PLACE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
JOINED = " / "


def filled(text: str) -> str:
    """README.md with all tables as the CSVs are. Raises ConfigError for a table unknown here."""

    def table(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise ConfigError(f"{README.name}: table {found[2]!r}, want one of {', '.join(TABLES)}")
        return found[1] + markdown(TABLES[found[2]]) + found[3]

    return PLACE.sub(table, text)


def markdown(table: Table, folder: Path = OF_RECORD) -> str:
    """The lines of a table. folder: of the means files."""
    lines = [
        [table.first, *(column.heading for column in table.columns)],
        ["---"] * (1 + len(table.columns)),
    ]
    every = _means(_file(folder, table.results))
    rows = table.rows or {row: (name, row) for name, found in every.items() for row in found}
    for label, (setting, row) in rows.items():
        cells = []
        for column in table.columns:
            means = _means(_file(folder, column.results or table.results))
            found = means.get(column.setting or setting, {}).get(column.row or row, {})
            cells.append(_cell(column, found))
        if any(cells):
            lines.append([label, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(column: Column, found: Mapping[str, Mean]) -> str:
    values = [found[measure] for measure in column.measures.split(JOINED) if measure in found]
    if column.is_count:
        return JOINED.join(str(value.seeds) for value in values)
    if column.short:
        return JOINED.join(f"{value.value:,.{column.digits}f}" for value in values)
    return JOINED.join(cell(value, digits=column.digits) for value in values)


@cache
def _file(folder: Path, results: str) -> Path:
    """Means of NAME-CARD, in whichever system's folder."""
    name = f"{results}-means.csv"
    return next(folder.rglob(name), folder / name)


_means = cache(read_means)


def experiments() -> dict[str, Experiment]:
    """By name, of all scripts."""
    root = FOLDER.parent
    paths = (path.relative_to(root).with_suffix("") for path in FOLDER.glob("*/*.py"))
    modules = (import_module(".".join(path.parts)) for path in paths)
    found = (module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT"))
    return {experiment.name: experiment for experiment in found}


def of_record() -> dict[Path, Experiment]:
    """NAME-CARD.csv of each experiment's rows."""
    known = experiments()
    found = {}
    for rows in sorted(OF_RECORD.rglob("*.csv")):
        names = [name for name in known if rows.stem.startswith(f"{name}-")]
        if names and not rows.stem.endswith("-means"):
            found[rows] = known[max(names, key=len)]
    return found


def _place(folder: Path, rows: Path, ending: str) -> Path:
    """Beside these rows of record, in `folder`."""
    beside = folder / rows.relative_to(OF_RECORD)
    return beside.with_name(rows.stem + ending)


def write_all_means(folder: Path) -> None:
    """NAME-CARD-means.csv of all rows of record."""
    for rows, experiment in of_record().items():
        write_means(_place(folder, rows, "-means.csv"), read_rows(rows), experiment.published)


def draw_all(folder: Path) -> None:
    """NAME-CARD.png from all means of record."""
    for rows, experiment in of_record().items():
        means = _means(_place(folder, rows, "-means.csv"))
        write_picture(_place(folder, rows, ".png"), partial(_draw, experiment, means))


def _draw(experiment: Experiment, means: Means, figure: Figure) -> None:
    experiment.draw(figure, means)


def main() -> None:
    """Writes the means, then pictures and README.md."""
    write_all_means(OF_RECORD)
    draw_all(OF_RECORD)
    for path in READMES:
        page = with_figures(filled(path.read_text(encoding="utf-8")), SENTENCES[path])
        write_bytes(path, page.encode())


if __name__ == "__main__":
    main()
