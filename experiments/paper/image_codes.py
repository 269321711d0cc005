"""What a view takes as an image file, and what a lossy one costs in accuracy.

    python experiments/paper/image_codes.py --data epfl --seeds 5

Every view of the test split is coded alone, as a camera that sends pictures would do, decoded,
and given to the six-camera network, all of which then runs in the cloud. Bytes are those of whole
files, a view; `seen`: of those that show the object; `sent`: with black views not sent, a view.
JPEG 75 is the one that `features: jpeg` sends. N samples, V views.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ddnn.data.multiview import MultiView
from ddnn.training.predict import predict
from experiments.shared.objects import share_right
from experiments.shared.pictures import bars
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras


@dataclass(frozen=True, slots=True)
class Code:
    """An image file format of Pillow with its options."""

    format: str
    options: dict[str, Any] = field(default_factory=dict)


RAW = "raw"
CODES = {
    "PNG": Code("PNG", {"optimize": True}),
    "WebP lossless": Code("WEBP", {"lossless": True, "method": 6}),
    "WebP 75": Code("WEBP", {"quality": 75, "method": 6}),
    "JPEG 90": Code("JPEG", {"quality": 90, "optimize": True}),
    "JPEG 75": Code("JPEG", {"quality": 75, "optimize": True}),
    "JPEG 50": Code("JPEG", {"quality": 50, "optimize": True}),
}


def measure(study: Study, name: str, seed: int) -> Rows:
    """Sizes of the files, and accuracy on what they decode to."""
    run, test = study.train(cameras(study.data), seed=seed), study.data.part("test")
    arrived, bytes_NV = through(CODES.get(name), test)
    logits_NK = predict(run.joint, arrived)["cloud"]
    right_N = logits_NK.argmax(axis=1) == arrived.fused_labels_N
    seen_NV = test.views_NVCHW.any(axis=(2, 3, 4))
    return {
        name: {
            "view_bytes": float(bytes_NV.mean()),
            "seen_bytes": float(bytes_NV[seen_NV].mean()),
            "sent_bytes": float((bytes_NV * seen_NV).mean()),
        }
        | share_right(right_N, study.test_objects_N, "all_cloud")
    }


def through(code: Code | None, samples: MultiView) -> tuple[MultiView, NDArray[np.int64]]:
    """The samples as they arrive, and each view's bytes (N, V). None: pixels as they are."""
    arrived_NVCHW = samples.views_NVCHW.copy()
    bytes_NV = np.full(samples.labels_NV.shape, samples.views_NVCHW[0, 0].size)
    if code is not None:
        for n, v in np.ndindex(*samples.labels_NV.shape):
            view_HWC = samples.views_NVCHW[n, v].transpose(1, 2, 0)
            file = io.BytesIO()
            Image.fromarray(view_HWC).save(file, code.format, **code.options)
            bytes_NV[n, v] = file.tell()
            arrived_NVCHW[n, v] = np.asarray(Image.open(file)).transpose(2, 0, 1)
    return replace(samples, views=arrived_NVCHW), bytes_NV


def draw(figure: Figure, means: Means) -> None:
    """Bars of the bytes a view, a bar a code; accuracy above."""
    axes = figure.subplots()
    rows = {name: found[name] for name, found in means.items()}
    bars(axes, rows, ("view_bytes",))
    for place, values in enumerate(rows.values()):
        right, height = values["all_cloud"].value, values["view_bytes"].value
        axes.annotate(
            f"{right:.1f} %", (place, height), (0, 3), textcoords="offset points", ha="center"
        )
    axes.set_xticks(range(len(rows)), [name.replace(" ", "\n", 1) for name in rows])
    axes.set(
        title="Bytes a view as an image file; right in the cloud above",
        ylim=(0, None),
        ylabel="bytes",
    )


EXPERIMENT = Experiment(
    name="image-codes",
    about=__doc__ or "",
    settings=lambda _: [RAW, *CODES],
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
)

if __name__ == "__main__":
    main(EXPERIMENT)
