"""What validation samples look like to a trained network: what a live system is held against.

`validation.json` in the run's folder. Axes: N samples, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.decision import score_counts
from ddnn.model.joint import Joint
from ddnn.report.files import write_json
from ddnn.report.reference import BINS, FILE
from ddnn.training.predict import answer, fuse, perceive, taking_part


def write_reference(
    folder: Path,
    joint: Joint,
    samples: MultiView,
    rules: Mapping[str, ExitRule],
    *,
    prior_class: int,
    split: str,
    bundle_sha256: str,
) -> None:
    """Entropy and exits of the samples that the thresholds were chosen on, and each device's
    scores. folder: the run's."""
    present_NV = taking_part(joint.topology, samples)
    devices = perceive(joint, samples)
    logits = fuse(joint, devices, present_NV)
    verdicts = answer(
        logits, rules, samples=samples, present_NV=present_NV, prior_class=prior_class
    )
    counts, _ = np.histogram(verdicts.entropy_N, BINS, (0.0, 1.0))
    document = {
        "bundle_sha256": bundle_sha256,
        "split": split,
        "samples": len(samples),
        "entropy": {"mean": float(verdicts.entropy_N.mean()), "counts": counts.tolist()},
        "exits": {
            name: int((verdicts.exit_N == number).sum())
            for number, name in enumerate(verdicts.exits)
        },
        "scores": {
            name: score_counts(output.scores.cpu().numpy()).tolist()
            for name, output in devices.items()
            if output.scores is not None
        },
    }
    write_json(folder / FILE, document)
