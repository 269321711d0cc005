"""Blocks and sections as a topology file describes them, and the sizes of what they give.

Axes: F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic_core import PydanticKnownError

from ddnn.errors import ConfigError


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


NotBool = BeforeValidator(_no_bool)
"""For a Literal of numbers, which would take YAML's `yes` for 1."""
TORCHVISION = "torchvision:"
"""Begins the name of weights that torchvision has."""
Bits = Annotated[Literal[1, 2, 4, 8, 32], NotBool]
MAX_WINDOW = 127
"""Side of a convolution's kernel or a pool's window."""


class Shape(NamedTuple):
    """Size of a feature map: filters, height, width."""

    F: int
    H: int
    W: int

    @property
    def values(self) -> int:
        return self.F * self.H * self.W

    @classmethod
    def joined(cls, shapes: Sequence[Shape]) -> Shape:
        """Maps side by side; where their sizes differ, all their values in a row."""
        if len({shape[1:] for shape in shapes}) == 1:
            return cls(sum(shape.F for shape in shapes), *shapes[0][1:])
        return cls(sum(shape.values for shape in shapes), 1, 1)


class Model(BaseModel):
    """What every part of a topology is: immutable, no unknown key, no `yes` or text for a number.

    Strict: a tuple, which a file gives as a list, needs Field(strict=False).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)


class _Layers(Model):
    """What every kind of block may say for itself."""

    weight_bits: Bits | None = Field(None, description="default: the section's")
    activation_bits: Bits | None = Field(None, description="default: the section's")


def _odd(window: tuple[int, int]) -> tuple[int, int]:
    if any(size % 2 == 0 or not 1 <= size <= MAX_WINDOW for size in window):
        raise ValueError(f"got {list(window)}, want two odd numbers from 1 to {MAX_WINDOW}")
    return window


Window = Annotated[tuple[int, int], Field(strict=False), AfterValidator(_odd)]
"""Height and width, padded by half of each: a stride of 1 leaves the size as it is."""


class _Convolution(_Layers):
    """Convolutions, padded by half their kernel, the first with a stride."""

    filters: int = Field(ge=1, le=1024, description="feature maps that it gives")
    kernel: Window = Field(
        (3, 3), description="height and width, odd: [1, 9] runs along a row of readings"
    )
    stride: int = Field(1, ge=1, le=4, description="of the first convolution")

    def convolved(self, shape: Shape) -> Shape:
        """Shape behind the convolutions for an input of `shape`."""
        height, width = (_strided(n, self.stride) for n in shape[1:])
        return Shape(self.filters, height, width)

    def output(self, shape: Shape) -> Shape:
        """Shape of the block's output for an input of `shape`."""
        return self.convolved(shape)


class ConvP(_Convolution):
    """Convolution, max pool, batch norm, activation (paper IV-A, figure 3: 3x3, both padded)."""

    kind: Literal["convp"]
    pool: Window = Field((3, 3), description="height and width of the pool's window, odd")
    pool_stride: int = Field(2, ge=1, le=4, description="2 halves height and width")

    def output(self, shape: Shape) -> Shape:
        """See _Convolution; the pool follows."""
        filters, height, width = self.convolved(shape)
        return Shape(filters, *(_strided(n, self.pool_stride) for n in (height, width)))


class Conv(_Convolution):
    """Convolution, batch norm, activation: the stem of a residual network."""

    kind: Literal["conv"]


class Residual(_Convolution):
    """Basic residual block: two convolutions and a shortcut (1x1 where the size changes)."""

    kind: Literal["residual"]


class FC(_Layers):
    """Fully connected layer, batch norm, activation (paper figure 3)."""

    kind: Literal["fc"]
    units: int = Field(ge=1, le=65536, description="values that it gives")

    def output(self, _: Shape) -> Shape:
        """(units, 1, 1), whatever comes in."""
        return Shape(self.units, 1, 1)


class Measured(Model):
    """What running a module has found: training writes it down, a device reads it."""

    shape: tuple[int, int, int] = Field(strict=False, description="filters, height, width it gives")
    weights: int = Field(ge=0, description="how many")
    macs: int = Field(ge=0, description="multiplications for one sample")


class MeasuredFile(Model):
    """What a file holds: training writes it down, a device reads it."""

    shape: tuple[int, int, int] = Field(strict=False, description="filters, height, width it gives")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the file")
    size: int = Field(ge=1, description="of the file, bytes")


class Own(Model):
    """A block of the user's: float32 in and out; what it gives is known once it has been run."""

    @property
    def made(self) -> tuple[str, Measured | MeasuredFile | None]:
        """What it is made of, in the topology's words, and what running that has found."""
        raise NotImplementedError

    @property
    def weight_bits(self) -> Bits:
        """Its weights are float32."""
        return 32

    @property
    def activation_bits(self) -> Bits:
        """It gives float32."""
        return 32

    def output(self, _: Shape) -> Shape:
        """Shape of what it gives. Raises ConfigError before it was run."""
        name, found = self.made
        if found is None:
            raise ConfigError(f"{name}: what it gives is not known before training")
        return Shape(*found.shape)


class Module(Own):
    """Any torch.nn.Module. Only training imports it; a device runs its ONNX graph."""

    kind: Literal["module"]
    factory: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$|^[A-Za-z_][\w-]*$",
        max_length=200,
        description="gives the module: PACKAGE.MODULE:NAME, or a name that a package adds",
    )
    args: dict[str, JsonValue] = Field(
        default_factory=dict, description="what the factory is called with"
    )
    weights: str | None = Field(
        None,
        min_length=1,
        description="what training begins with: a safetensors file beside the topology's, or "
        "torchvision:NAME",
    )
    measured: Measured | None = Field(None, description="written by training, never by hand")

    @property
    def made(self) -> tuple[str, Measured | None]:
        """See Own."""
        return self.factory, self.measured


class Onnx(Own):
    """A frozen section of somebody else's, float32 in and out. A device runs it as it is."""

    kind: Literal["onnx"]
    file: str = Field(min_length=1, description="an ONNX model, beside the topology's file")
    measured: MeasuredFile | None = Field(None, description="written by training, never by hand")

    @property
    def made(self) -> tuple[str, MeasuredFile | None]:
        """See Own."""
        return self.file, self.measured


Block = Annotated[ConvP | Conv | Residual | FC | Module | Onnx, Field(discriminator="kind")]


class Section(Model):
    """The blocks that one node runs. No blocks: the view itself is sent up (the raw baseline)."""

    blocks: tuple[Block, ...] = Field((), strict=False, description="run one after the other")
    weight_bits: Bits = Field(32, description="per weight; 1 is a sign")
    activation_bits: Bits = Field(32, description="per value that a block gives; 1 is a sign")
    feature_bits: Bits | None = Field(
        None, description="bits per value sent up; default: the last block's activation bits"
    )

    def output(self, shape: Shape) -> Shape:
        """Shape of the features for an input of `shape`."""
        for block in self.blocks:
            shape = block.output(shape)
        return shape

    @property
    def is_measured(self) -> bool:
        """Whether the shape of what each block gives is known."""
        return not any(isinstance(b, Own) and b.made[1] is None for b in self.blocks)

    @property
    def sent_bits(self) -> Bits:
        """Bits per value of the features on the wire."""
        if self.feature_bits is not None:
            return self.feature_bits
        if not self.blocks:
            return 8
        return self.blocks[-1].activation_bits or self.activation_bits


def _strided(size: int, stride: int) -> int:
    """Output size of an odd window, padded by half of it, with this stride."""
    return (size - 1) // stride + 1
