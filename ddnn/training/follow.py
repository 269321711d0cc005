"""What the other processes of a training do while rank 0 leads it and writes its run."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from ddnn.data.checks import check_unchanged
from ddnn.data.loading import load
from ddnn.paths import text_to_path
from ddnn.runfolder import CHECKPOINT
from ddnn.training.fit import fit, prepare
from ddnn.training.parallel import Group
from ddnn.training.run import Config
from ddnn.yamlfile import check_values


def follow_run(group: Group) -> None:
    """What another rank than 0 does of a training that rank 0 begins or goes on with.

    Raises DdnnError for a card that is not here or holds other data.
    """
    sent, kept = group.send(b"", b"")
    config = check_values(json.loads(sent), Config, source="rank 0")
    card = text_to_path(config.card)
    data = load(card)
    check_unchanged(data, config.data_digest, card=card, wanted_by="rank 0")
    with TemporaryDirectory() as place:
        path = Path(place) / CHECKPOINT
        path.write_bytes(kept)
        training = prepare(
            data,
            config.topology,
            config.settings,
            seed=config.seed,
            checkpoint=path if kept else None,
        )
    fit(training, Path())
