"""`ddnn bench runtime|training`: speed beside plain baselines, as ratios."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ddnn.cli.options import run_argument
from ddnn.report.tables import plain_console, table
from ddnn.run.interrupt import interruptible


@click.group(name="bench")
def command() -> None:
    """Measure speed against plain baselines, in one run on this machine."""


@command.command()
@run_argument
@click.option("--samples", type=click.IntRange(500), default=2000, help="For each latency.")
@click.option(
    "--rounds", type=click.IntRange(1), default=60, help="Of 500 samples, for throughput."
)
@click.option("--compare", metavar="COMMIT", help="Another version, in turns with this one.")
@click.option("--turns", type=click.IntRange(1), default=5, help="Of --compare; medians are given.")
@click.option("--record", type=click.Path(path_type=Path), help="CSV file to append a row to.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def runtime(
    *,
    run: Path,
    samples: int,
    rounds: int,
    compare: str | None,
    turns: int,
    record: Path | None,
    as_json: bool,
) -> None:
    """Latency and throughput of RUN's topology beside sockets, sections alone, the naive way."""
    measurement = import_module("ddnn.bench.measurement")

    def say(line: str) -> None:
        click.echo(line, err=True)

    with interruptible("interrupted; all nodes are stopped"):
        if compare is None:
            result = measurement.measure(run, samples=samples, rounds=rounds, say=say)
        else:
            result = measurement.compare(
                run, compare, samples=samples, rounds=rounds, turns=turns, say=say
            )
    if record is not None:
        import_module("ddnn.bench.record").add_row(record, result)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    elif compare is None:
        _print_runtime(result)
    else:
        _print_compared(result)


@command.command()
@click.option("--data", "card", default="rendered", show_default=True, help="Data card.")
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def training(card: str, batch: int, as_json: bool) -> None:
    """Seconds an epoch of ours and of the plain eager loop: same data, batches and machine."""
    samples = import_module("ddnn.data").load(card).part("train")
    result = import_module("ddnn.training.bench").training_speed(samples, batch=batch)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        click.echo(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")


def _print_runtime(result: dict[str, Any]) -> None:
    console = plain_console()
    times = table("microseconds", "", "p50", "p95", "p99")
    rows = {
        "TCP round trip": result["tcp_round_trip_us"],
        "TCP scatter/gather, 6": result["tcp_scatter_gather_us"],
        "pyzmq scatter/gather, 6": result["zmq_scatter_gather_us"],
        "the fair floor": result["fair_us"],
    }
    rows |= {f"launched, {name} exit": times_us for name, times_us in result["latency_us"].items()}
    rows |= {f"the same at {rate} Hz": times_us for rate, times_us in result["paced_us"].items()}
    for name, row in rows.items():
        times.add_row(name, *(f"{row[key]:.0f}" for key in ("p50", "p95", "p99")))
    console.print(times)
    rates = table("samples a second", "", "")
    rates.add_row("sections alone, one core, batch 16", f"{result['ceiling_samples_per_s']:.0f}")
    rates.add_row("launched, full window", f"{result['throughput_samples_per_s']:.0f}")
    naive = result["naive_samples_per_s"]
    rates.add_row("the naive way", "–" if naive is None else f"{naive:.0f}")
    console.print(rates)
    _print_ratios(result["ratios"])
    console.print(
        f"one section and exit {result['section_us']:.0f} µs, processor "
        f"{result['processor_us']:.0f} µs and {result['switches']:.1f} waits a sample (fair floor: "
        f"{result['fair_processor_us']:.0f} and {result['fair_switches']:.1f}), idle system "
        f"{result['idle_core_share']:.1%} of a core, ready in {result['ready_s']:.1f} s, "
        f"a device {result['device_resident_mb']:.0f} MB"
    )


def _print_ratios(found: dict[str, float | None]) -> None:
    ratios = table("ratios", "", "")
    for name, value in found.items():
        ratios.add_row(name.replace("_", " "), "–" if value is None else f"{value:.2f}")
    plain_console().print(ratios)


def _print_compared(result: dict[str, Any]) -> None:
    before, now = result["before"], result["now"]
    rows = table(f"medians of {result['turns']} turns", "", result["compared_with"], "now")
    for name in now["latency_us"]:
        times = [f"{one['latency_us'][name]['p50']:.0f}" for one in (before, now)]
        rows.add_row(f"{name} exit p50, µs", *times)
    for name, value in now.items():
        if name != "latency_us":
            rows.add_row(name.replace("_", " "), f"{before[name]:.4g}", f"{value:.4g}")
    plain_console().print(rows)
    _print_ratios(result["ratios"])
