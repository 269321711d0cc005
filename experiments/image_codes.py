"""What a view takes as an image file, and what a lossy one costs in accuracy.

Every view of the test split is coded alone, as a camera that sends pictures would do, decoded,
and given to the network of byte_options.py, all of which then runs in the cloud. The sizes are
those of whole files; the JPEG line of quality 75 is the one that `features: jpeg` sends.

    python experiments/image_codes.py --data epfl --seeds 3 --runs runs/bytes

writes image-codes-CARD.csv: one line an image code, means over seeds. N samples, V views.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from byte_options import Config, arguments, fewer, train
from numpy.typing import NDArray
from PIL import Image

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.report.files import write_csv
from ddnn.report.verdicts import wilson_interval
from ddnn.training.fit import accuracies
from ddnn.training.predict import predict
from ddnn.training.run import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An image file format of Pillow with its options; None: pixels as they are."""

    name: str
    format: str | None
    options: tuple[tuple[str, Any], ...] = ()


CODES = (
    Code(name="raw", format=None),
    Code(name="PNG", format="PNG", options=(("optimize", True),)),
    Code(name="WebP lossless", format="WEBP", options=(("lossless", True), ("method", 6))),
    Code(name="WebP 75", format="WEBP", options=(("quality", 75), ("method", 6))),
    Code(name="JPEG 90", format="JPEG", options=(("quality", 90), ("optimize", True))),
    Code(name="JPEG 75", format="JPEG", options=(("quality", 75), ("optimize", True))),
    Code(name="JPEG 50", format="JPEG", options=(("quality", 50), ("optimize", True))),
)


def main() -> None:
    """Codes once, measures every seed's network on what is left, writes the CSV."""
    config, threads = arguments()
    torch.set_num_threads(threads)
    data = fewer(load(config.card), config.samples)
    test = data.part("test")
    coded = {code.name: through(code, test) for code in CODES}
    with tempfile.TemporaryDirectory() as temporary:
        runs = config.runs or Path(temporary)
        cloud = [measured(config, data, runs, seed, coded) for seed in range(config.seeds)]
    seen_NV = test.views_NVCHW.any(axis=(2, 3, 4))
    rows = []
    for code in CODES:
        accuracy = float(np.mean([seed[code.name] for seed in cloud]))
        low, high = wilson_interval(round(accuracy * len(test)), len(test)) or (0.0, 0.0)
        _, bytes_NV = coded[code.name]
        rows.append(
            {
                "code": code.name,
                "bytes_a_view": float(bytes_NV.mean()),
                "bytes_a_seen_view": float(bytes_NV[seen_NV].mean()),
                "bytes_none_black": float((bytes_NV * seen_NV).mean()),
                "all_cloud": 100 * accuracy,
                "low": 100 * low,
                "high": 100 * high,
                "seeds": config.seeds,
                "test_samples": len(test),
                "data": data.name,
                "digest": data.digest[:16],
                "versions": " ".join(f"{n}={v}" for n, v in versions().items()),
            }
        )
        print(*(f"{name} {_cell(value)}" for name, value in rows[-1].items()), sep="  ")
    path = config.out / f"image-codes-{Path(config.card).stem}.csv"
    write_csv(path, list(rows[0]), ([_cell(value) for value in row.values()] for row in rows))
    print(path)


def through(code: Code, samples: MultiView) -> tuple[MultiView, NDArray[np.int64]]:
    """The samples as they arrive, and each view's bytes (N, V)."""
    arrived_NVCHW = samples.views_NVCHW.copy()
    bytes_NV = np.full(samples.labels_NV.shape, samples.views_NVCHW[0, 0].size)
    if code.format is not None:
        for n, v in np.ndindex(*samples.labels_NV.shape):
            view_HWC = samples.views_NVCHW[n, v].transpose(1, 2, 0)
            file = io.BytesIO()
            Image.fromarray(view_HWC).save(file, code.format, **dict(code.options))
            bytes_NV[n, v] = file.tell()
            arrived_NVCHW[n, v] = np.asarray(Image.open(file)).transpose(2, 0, 1)
    return replace(samples, views_NVCHW=arrived_NVCHW), bytes_NV


def measured(
    config: Config,
    data: DataSet,
    runs: Path,
    seed: int,
    coded: dict[str, tuple[MultiView, NDArray[np.int64]]],
) -> dict[str, float]:
    """Accuracy of the cloud's exit on all samples, by code."""
    run = train(config, data, runs, seed, "send")
    return {
        name: accuracies(predict(run.joint, samples), samples)["cloud"]
        for name, (samples, _) in coded.items()
    }


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
