"""What each way of sending less costs and saves: bytes at four levels beside accuracy.

    python experiments/paper/byte_options.py --data epfl --seeds 5

Trains the six-camera topology once as it is and once with devices silent about black views, then
exports and calibrates each with the options of the list below, and runs the test split through
all nodes in one process, every message encoded and counted. Baselines send raw views or images
to a cloud that runs the same network. Temperatures, thresholds and code tables come from the
training and validation splits. Bytes are a device and sample; `_64`: 64 samples in flight.

STEPS go from raw views to the fewest bytes, each with one thing more. `meets`: at most 12 payload
bytes, and overall at most half a point under the cloud's exit answering all.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import write_bundle
from ddnn.data.multiview import DataSet, MultiView
from ddnn.model.joint import Joint
from ddnn.report.plots import INK
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import LEVELS, device_sample_bytes, link_counts
from ddnn.topology import Topology
from ddnn.training.calibrate import Goal, calibrate
from ddnn.training.epoch import accuracies
from ddnn.training.payload import fit_tables
from ddnn.training.predict import answer, predict, taking_part
from ddnn.training.run import Run
from experiments.shared.objects import each_alike, share_right
from experiments.shared.pictures import bars
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras, shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """trained: as of which topology option `absent`. offload: views that are sent to the cloud in
    place of features."""

    trained: str = "send"
    scores: str = "float32"
    features: str = "raw-bits"
    offload: str | None = None


RAW, SHIPPED = "raw views", "as shipped"
VARIANTS = {
    RAW: Variant(offload="raw-bits"),
    "JPEG views": Variant(offload="jpeg"),
    "raw views, none black": Variant(trained="skip", offload="raw-bits"),
    "JPEG views, none black": Variant(trained="skip", offload="jpeg"),
    SHIPPED: Variant(),
    "scores float16": Variant(scores="float16"),
    "scores int8": Variant(scores="int8"),
    "absent skip": Variant(trained="skip"),
    "entropy-coded": Variant(features="entropy-coded"),
    "int8, skip": Variant(trained="skip", scores="int8"),
    "int8, skip, coded": Variant(trained="skip", scores="int8", features="entropy-coded"),
}
STEPS = {
    RAW: "raw views",
    SHIPPED: "1-bit maps, early exit",
    "scores int8": "scores as int8",
    "int8, skip": "silent on black views",
    "int8, skip, coded": "maps entropy-coded",
}
"""By variant: what it adds."""
TARGET_BYTES, TARGET_POINTS = 12.0, 0.5


def changed(
    topology: Topology, *, absent: str, scores: str = "float32", features: str = "raw-bits"
) -> Topology:
    """The topology with other options."""
    document = topology.model_dump(mode="json")
    document["tiers"][0] |= {"absent": absent, "features": features}
    for tier in document["tiers"]:
        if tier["exit"] is not None:
            tier["exit"]["scores"] = scores
    return Topology.model_validate(document)


def measure(study: Study, name: str, seed: int) -> Rows:
    """Accuracy, shares and bytes of one variant."""
    variant, data = VARIANTS[name], study.data
    run = study.train(changed(cameras(data), absent=variant.trained), seed=seed)
    test = data.part("test")
    joint, rules = exported(variant, run, data)
    logits, present_NV = predict(joint, test), taking_part(joint.topology, test)
    offline = answer(
        logits, rules, samples=test, present_NV=present_NV, prior_class=run.prior_class
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        write_bundle(folder, joint, exits=rules, prior_class=run.prior_class)
        bundle = load_bundle(folder)
        single, batched = (counted(bundle, test, window) for window in (1, 64))
    objects_N = study.test_objects_N
    weights_N = each_alike(objects_N)
    overall = share_right(offline.correct_N, objects_N, "overall")
    exits = accuracies(logits, test, present_NV, run.prior_class, weights_N=weights_N)
    alone = {f"all_{exit_}": 100 * right for exit_, right in exits.items()}
    behind, payload = alone["all_cloud"] - overall["overall"], single["bytes"]["payload"]
    meets = payload <= TARGET_BYTES and behind <= TARGET_POINTS
    share = {"local_share": 100 * float((offline.exit_N == 0).mean())} if len(alone) > 1 else {}
    return {
        name: overall
        | alone
        | share
        | {f"{level}_bytes": single["bytes"][level] for level in LEVELS}
        | {f"{level}_64_bytes": batched["bytes"][level] for level in ("zmtp", "ip")}
        | {"behind_points": behind, "meets": 100.0 * meets}
        | {"equal_verdicts": 100 * float((single["verdicts_N"] == offline.predicted_N).mean())}
    }


def exported(variant: Variant, run: Run, data: DataSet) -> tuple[Joint, dict[str, ExitRule]]:
    """The network with the variant's options, and its rules from validation samples."""
    if variant.offload is None:
        topology = changed(
            run.topology, absent=variant.trained, scores=variant.scores, features=variant.features
        )
        joint = Joint(topology)
        joint.load_state_dict(run.joint.state_dict(), strict=False)
    else:
        raw = shipped("six-cameras-raw", data)
        joint = moved_to_cloud(
            run.joint, changed(raw, absent=variant.trained, features=variant.offload)
        )
    fit_tables(joint.eval(), data.part("train"))
    validation = data.part("validation")
    return joint, calibrate(joint, validation, Goal(), prior_class=run.prior_class).rules


def moved_to_cloud(joint: Joint, topology: Topology) -> Joint:
    """The same network, devices' sections included, fed with views that were sent.

    Sent views are multiples of 1/255, a device's own of 1/256: batch norm takes up the difference.
    """
    moved = Joint(topology)
    for camera, node in zip(joint.topology.devices, topology.members("view"), strict=True):
        blocks = moved.sections[node].blocks
        blocks.load_state_dict(joint.sections[camera].blocks.state_dict())
        norm: Any = blocks[0].norm
        norm.running_mean *= 256 / 255
        norm.running_var *= (256 / 255) ** 2
    moved.sections["cloud"].load_state_dict(joint.sections["cloud"].state_dict())
    moved.exits["cloud"].load_state_dict(joint.exits["cloud"].state_dict())
    return moved


def counted(bundle: Bundle, samples: MultiView, window: int) -> dict[str, Any]:
    """What a run through all nodes counts and answers."""
    collector = run_inprocess(bundle, samples.views, window=window)
    sent = device_sample_bytes(link_counts(collector.accounts), bundle.topology)
    return {"bytes": {level: sent[level] for level in LEVELS}, "verdicts_N": collector.predicted_N}


def draw(figure: Figure, means: Means) -> None:
    """Bars of the bytes of each step, overall accuracy above them."""
    axes = figure.subplots()
    rows = {text: means[name][name] for name, text in STEPS.items() if name in means}
    shown = {text: values for text, values in rows.items() if text != RAW}
    bars(axes, shown, ("payload_bytes",))
    axes.axhline(TARGET_BYTES, color=INK, lw=1, ls=":")
    for place, values in enumerate(shown.values()):
        high = values["payload_bytes"].high or values["payload_bytes"].value
        text = f"{values['overall'].value:.1f} %"
        axes.annotate(text, (place, high), (0, 3), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(shown)), [text.replace(" ", "\n", 1) for text in shown])
    axes.set(
        title="Payload, bytes a device and sample; overall accuracy above",
        ylim=(0, None),
        ylabel="bytes",
    )


EXPERIMENT = Experiment(
    name="byte-options",
    about=__doc__ or "",
    settings=lambda study: ["JPEG views", list(STEPS)[-1]] if study.is_smoke else list(VARIANTS),
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
)

if __name__ == "__main__":
    main(EXPERIMENT)
