"""The data card: a YAML file that says what a data set is, where it lies and how it is split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, RootModel, model_validator

from ddnn import shipped
from ddnn.blocks import Model, NotBool
from ddnn.data.renderer.look import Kind
from ddnn.errors import ConfigError
from ddnn.names import MAX_LETTERS, can_name_a_file, name_of, normal
from ddnn.topology import ClassNames, ShownName, ViewNames
from ddnn.topology_parts import each_once
from ddnn.yamlfile import read_yaml

Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Channels = Annotated[Literal[1, 3], NotBool]
PixelSize = Annotated[int, Field(ge=1, le=1024)]
ColumnNames = Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=256)]


class _Fractions(Model):
    """Shares of all samples (or frames); what is left is for training."""

    validation: Fraction = 0.15
    test: Fraction = 0.2

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> _Fractions:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation {self.validation} + test {self.test} leave nothing for train,"
                " want a sum below 1"
            )
        return self


class SampleSplit(_Fractions):
    """Samples drawn at random by a seed. Near-copies (a parked car) land on both sides."""

    by: Literal["sample"]
    seed: Seed = 0


class FrameSplit(_Fractions):
    """Contiguous blocks of frames: first train, then validation, the last ones test."""

    by: Literal["frame"]


class ObjectSplit(_Fractions):
    """Whole objects: none is in two parts, nor is a near-copy (ddnn.data.objects).

    near: grey levels (rms) up to which two views of a camera show one object.
    cap: at most that many samples of an object, evenly spaced; the others are in no part.
    seed: draws which objects go where, of those of one class and size.
    """

    by: Literal["object"]
    near: Annotated[float, Field(ge=0, le=255)] = 12.0
    cap: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 0


class FileSplit(Model):
    """The split that the files themselves carry.

    validation: share of the training samples taken where the files have no validation part.
    """

    by: Literal["file"]
    validation: Fraction = 0.15
    seed: Seed = 0


class AuthorsSplit(Model):
    """The sizes of Teerapittayanon et al. 2017: 680 to train on, the last 171 to test on.

    order: permutation of the 851 samples, as a .npy or text file, or an array of an npz.
    The authors' own permutation is not part of ddnn; without `order` a fixed one is used
    (`ddnn.data.split.seeded_order` with seed 2017), so that the test samples are others.
    validation: share of the 680, drawn by `seed`.
    """

    by: Literal["authors"]
    order: str | None = None
    validation: Fraction = 0.15
    seed: Seed = 0


class SubjectSplit(_Fractions):
    """Whole subjects: nobody is in two parts. Shares are of the subjects, at least one each.

    seed: draws who goes where.
    """

    by: Literal["subject"]
    seed: Seed = 0


AnySplit = SampleSplit | FrameSplit | ObjectSplit | SubjectSplit | FileSplit | AuthorsSplit
SplitRule = Annotated[AnySplit, Field(discriminator="by")]


def _can_name_a_file(name: str) -> str:
    if not can_name_a_file(name):
        raise ValueError(
            f"got {name[:40]!r}, want up to {MAX_LETTERS} printable letters that can name a file: "
            "no / or \\, no dot in front, no device of Windows"
        )
    return normal(name)


CardName = Annotated[str, AfterValidator(_can_name_a_file)]


class _Card(Model):
    """name: of the data set and its contact sheet; the card file's by default."""

    name: CardName = ""
    source: str = ""
    licence: str = ""
    split: SplitRule = SampleSplit(by="sample")


class _WithViews(_Card):
    """views: the names of the views, in order."""

    views: ViewNames | None = None

    @model_validator(mode="after")
    def _views_are_named_once(self) -> _WithViews:
        for name in self.views or ():
            if (self.views or ()).count(name) > 1:
                raise ConfigError(f"views: {name!r} is given twice, want each once")
        return self


class NpzCard(_WithViews):
    """Arrays `X` (N,V,C,H,W), `y` (N,V), optional `frame`, `object`, `subject`, `split` (N,),
    `views` (V,).

    arrays: in place of `X`, the archive's array of each view by the view's name, in order:
        (N,C,H,W), or (N,C,length) of a sensor's readings; uint8, int8, int16 or floats. Then `y`
        may be (N,), where all views see the object.
    views: those of the archive, perhaps in another order; names for them where it has none.
    split: 0 train, 1 validation, 2 test.
    absent_label: the value in `y` of a view that does not see the object, beside -1.
    git_blob, sha256: what the file's content must be, where known.
    """

    kind: Literal["npz"]
    path: str
    classes: ClassNames
    arrays: Annotated[dict[ShownName, str], Field(min_length=1)] | None = None
    absent_label: int | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    git_blob: Annotated[str, Field(pattern="^[0-9a-f]{40}$")] | None = None

    @model_validator(mode="after")
    def _views_have_one_order(self) -> NpzCard:
        if self.arrays is not None and self.views is not None:
            raise ConfigError("views: given beside arrays, whose names are the views'; want one")
        return self

    @model_validator(mode="after")
    def _absent_label_is_no_class(self) -> NpzCard:
        if self.absent_label is not None and 0 <= self.absent_label < len(self.classes):
            raise ConfigError(
                f"absent_label: {self.absent_label} is class {self.classes[self.absent_label]!r},"
                f" want -1 or at least {len(self.classes)}"
            )
        return self


class FolderCard(_WithViews):
    """Images `PATH/CLASS/SAMPLE/VIEW.png|jpg`; a missing file is an absent view.

    views: all names found, `cam2` before `cam10`, without it.
    size: images are resized to size x size; without it all must have one size.
    channels: 3 for colour, 1 for grey.
    """

    kind: Literal["folder"]
    path: str
    classes: ClassNames
    size: PixelSize | None = None
    channels: Channels = 3


class TableCard(_Card):
    """Rows of readings in a CSV or Parquet file, cut into windows of `length` rows.

    views: the columns of each view, by its name, in the order of the devices.
    label: the column of the class, by name or number; a row without one is left out.
    subject, session: columns; no window holds rows of two.
    stride: rows from one window to the next; without it they do not overlap.
    """

    kind: Literal["table"]
    path: str
    classes: ClassNames
    views: Annotated[dict[ShownName, ColumnNames], Field(min_length=1)]
    label: str
    subject: str | None = None
    session: str | None = None
    length: Annotated[int, Field(ge=1, le=65536)]
    stride: Annotated[int, Field(ge=1)] | None = None
    split: SplitRule = SubjectSplit(by="subject")


class TilesCard(_Card):
    """A set of single images, each cut in rows x columns, one tile a view, read row by row.

    images: the set; `path` is the folder of an ImageFolder or where torchvision's sets lie.
    size: tiles become size x size; without it the image must divide evenly.
    samples: at most that many, drawn by `seed`.
    """

    kind: Literal["tiles"]
    images: Literal["digits", "MNIST", "FashionMNIST", "CIFAR10", "CIFAR100", "ImageFolder"]
    path: str | None = None
    download: bool = False
    classes: ClassNames | None = None
    rows: Annotated[int, Field(ge=1, le=64)]
    columns: Annotated[int, Field(ge=1, le=64)]
    size: PixelSize | None = None
    channels: Channels | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _folder_has_a_path(self) -> TilesCard:
        if self.images == "ImageFolder" and self.path is None:
            raise ConfigError("path: missing, want the folder of images: ImageFolder")
        return self


class RenderedCard(_Card):
    """What stands on a street, made by the built-in renderer: nothing to download."""

    kind: Literal["rendered"]
    classes: Annotated[tuple[Kind, ...], AfterValidator(each_once)] = Field(
        ("car", "bus", "person"), min_length=2, strict=False
    )
    samples: Annotated[int, Field(ge=3, le=100_000)] = 851
    seed: Seed = 0
    margin: float = Field(
        0.05, ge=0, le=4, description="street around an object, on each side, in its sizes"
    )
    jitter: float = Field(
        1.0, ge=0, le=20, description="how far crops are off at each side, 1: a twentieth"
    )
    crowd: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="share of the views, beside a camera's own, where somebody is in the way",
    )
    noise: float = Field(1.0, ge=0, le=10, description="times a camera's own")


class SensorsCard(_Card):
    """People who stand, walk, run or climb, with four body-worn sensors: made on the spot."""

    kind: Literal["sensors"]
    classes: tuple[Literal["still"], Literal["walk"], Literal["run"], Literal["stairs"]] = Field(
        ("still", "walk", "run", "stairs"), strict=False
    )
    samples: Annotated[int, Field(ge=4, le=100_000)] = 1200
    subjects: Annotated[int, Field(ge=1, le=1000)] = 12
    seed: Seed = 0
    split: SplitRule = SubjectSplit(by="subject")


Card = NpzCard | FolderCard | TableCard | TilesCard | RenderedCard | SensorsCard


class CardFile(RootModel[Annotated[Card, Field(discriminator="kind")]]):
    """What a card file holds."""

    model_config = ConfigDict(frozen=True)


def load_card(card: Path | str) -> Card:
    """The checked card at this path, or of this bare name in `datasets/`.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    path = shipped.find("datasets", card)
    model: Card = read_yaml(path, CardFile).root
    if model.name:
        return model
    try:
        return model.model_copy(update={"name": _can_name_a_file(name_of(path.with_suffix("")))})
    except ValueError as error:
        raise ConfigError(
            f"{str(path)!r}: name: missing, the file's does not do: {error}"
        ) from None
