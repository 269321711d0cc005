"""Every knob of a training, written once, and the presets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ddnn.topology import Model
from ddnn.yamlfile import check_values

LossWeight = Annotated[float, Field(ge=0, le=1000)]
PresetName = Literal["robust", "accurate", "paper", "images"]


class Settings(Model):
    """How a network is trained.

    Adam has beta 0.9 and 0.999 (paper, IV-A), SGD Nesterov's momentum of 0.9.
    """

    preset: PresetName = "robust"
    epochs: int = Field(ge=1, le=100_000)
    batch: int | None = Field(ge=2, description="samples an update; None: all in one batch")
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(gt=0, le=10)
    weight_decay: float = Field(0.0, ge=0, le=1, description="added to the gradient: L2")
    schedule: Literal["constant", "cosine", "one-cycle"]
    augment: Literal["none", "scene", "crop"] = Field(
        description="scene: all views of a sample alike; crop: each image shifted and mirrored"
    )
    device_dropout: float = Field(
        ge=0, lt=1, description="mean share of the devices removed from a training sample"
    )
    dropout_by: Literal["rate", "count"] = Field(
        "rate",
        description="rate: each device by itself, at a rate of the sample's own; count: so many, "
        "every number as likely",
    )
    distillation: float = Field(
        0.0,
        ge=0,
        le=100,
        description="above 0, samples are also seen whole, and this is the weight of answering "
        "without the removed devices as with them",
    )
    view_mixing: float = Field(
        ge=0, le=1, description="share of the views taken from another sample of the same class"
    )
    class_balance: bool = Field(
        description="weigh rare classes up: their share changes with place and time"
    )
    clip_norms: bool = Field(description="also clip batch norm's parameters to [-1, 1]")
    keep: Literal["best", "last"] = Field(description="which epoch's weights are the result")
    evaluate_every: int = Field(
        1, ge=1, description="epochs from one validation to the next; the last has one always"
    )
    exit_weights: dict[str, LossWeight] = Field(
        default_factory=dict, description="weight of an exit's loss by its name, 1 where unnamed"
    )
    device_weight: LossWeight = Field(1.0, description="weight of the devices' own losses")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of layers and maps in a training step; weights, losses and all that comes "
        "after the training stay float32",
    )
    tier_rates: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default_factory=dict,
        description="learning rate of a tier in parts of `learning_rate`, 1 where unnamed",
    )
    start_from: str | None = Field(
        None, description="run whose weights to begin with, as far as names and shapes agree"
    )
    freeze: tuple[str, ...] = Field(
        (), strict=False, description="tiers, or TIER.trunk without the exit, that stay as they are"
    )


ROBUST = Settings(
    preset="robust",
    epochs=60,
    batch=32,
    learning_rate=3e-3,
    schedule="cosine",
    augment="none",  # neither pays on any of seven unlike sets: experiments/defaults
    device_dropout=0.3,
    view_mixing=0.0,
    class_balance=True,
    clip_norms=False,
    keep="best",
)
PRESETS: dict[PresetName, Settings] = {
    # The authors' code: 700 a batch on 680 samples is one update an epoch.
    "paper": Settings(
        preset="paper",
        epochs=100,
        batch=None,
        learning_rate=1e-3,
        schedule="constant",
        augment="none",
        device_dropout=0.0,
        view_mixing=0.0,
        class_balance=False,
        clip_norms=True,
        keep="last",
    ),
    "robust": ROBUST,
    # The same on devices that are made wider: ddnn.training.widened.
    "accurate": ROBUST.model_copy(update={"preset": "accurate"}),
    # Residual networks on tens of thousands of single images (He et al. 2015, shortened).
    "images": Settings(
        preset="images",
        epochs=16,
        batch=128,
        optimizer="sgd",
        learning_rate=0.2,
        weight_decay=5e-4,
        schedule="one-cycle",
        augment="crop",
        device_dropout=0.0,
        view_mixing=0.0,
        class_balance=False,
        clip_norms=False,
        keep="last",
        device_weight=0.0,
    ),
}


def settings_for(preset: PresetName, **changes: object) -> Settings:
    """The preset with some knobs changed; changes of None are left out.

    Raises ConfigError naming the knob, the value got and what was wanted.
    """
    asked = {key: value for key, value in changes.items() if value is not None}
    return check_values(PRESETS[preset].model_dump() | asked, Settings, source="training")
