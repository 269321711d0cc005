"""`torchrun -m ddnn train`: two processes train what one does."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from waiting import wait_until

from ddnn.training.parallel import ALONE, current, joined

CARD = """\
kind: rendered
samples: 120
seed: 3
classes: [car, bus, person]
split: {by: sample, validation: 0.2, test: 0.2, seed: 0}
"""


@pytest.fixture
def card(tmp_path) -> Path:
    path = tmp_path / "some.yaml"
    path.write_text(CARD)
    return path


def train_command(*arguments: object, processes: int = 1) -> list[str]:
    """Of `ddnn train`, by torchrun where there are several processes."""
    by = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    begin = [sys.executable, *(by if processes > 1 else []), "-m", "ddnn", "train"]
    return [*begin, *map(str, arguments)]


def trained(*arguments: object, processes: int = 1) -> subprocess.CompletedProcess[str]:
    command = train_command(*arguments, processes=processes)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "history.jsonl").read_text().splitlines()]


def test_one_process_is_a_group_of_its_own():
    with joined() as group:
        assert (group, current(), group.leads, group.world) == (ALONE, ALONE, True, 1)
        assert group.summed(torch.nn.Linear(1, 1), torch.tensor(0.5)) == 0.5


@pytest.mark.study
def test_two_processes_learn_what_one_does_and_go_on(tmp_path, card):
    """Only the mean over devices that see the object is of half a batch."""
    begin = ("six-cameras", "--data", card, "--preset", "paper", "--batch", 24, "--epochs")
    one, two, again = tmp_path / "one", tmp_path / "two", tmp_path / "again"
    assert trained(*begin, 4, "--out", one).returncode == 0
    done = trained(*begin, 4, "--out", two, processes=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"run: {two}") == 1
    assert losses(two)[0] == pytest.approx(losses(one)[0], rel=0.01)
    assert losses(two) == pytest.approx(losses(one), rel=0.05)
    assert trained(*begin, 2, "--out", again, processes=2).returncode == 0
    done = trained("--resume", again, "--epochs", 4, processes=2)
    assert done.returncode == 0, done.stderr
    assert losses(again) == pytest.approx(losses(two), rel=1e-5)


PROGRAM = """
import sys
from pathlib import Path
import torch
from ddnn.data.loading import load
from ddnn.topology import read_topology
from ddnn.training.fit import fit, prepare
from ddnn.training.parallel import joined
from ddnn.training.settings import settings_for
from safetensors.torch import save_file

with joined() as group:
    settings = settings_for("robust", epochs=2, batch=34)
    training = prepare(load(sys.argv[1]), read_topology("six-cameras"), settings, seed=0)
    place = Path(sys.argv[2]) / str(group.rank)
    joint = fit(training, place)
    save_file(training.joint.state_dict(), f"{place}.safetensors")
"""


@pytest.mark.study
def test_all_ranks_have_equal_weights_and_only_one_writes(tmp_path, card):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    by = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3"]
    subprocess.run([sys.executable, *by, program, card, tmp_path], check=True, timeout=120)
    found = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(3)]
    for other in found[1:]:
        assert all(torch.equal(value, other[name]) for name, value in found[0].items())
    assert (tmp_path / "0").is_dir()
    assert not (tmp_path / "1").exists()


@pytest.mark.study
def test_a_dead_rank_ends_the_training_with_its_name_and_keeps_the_epoch_before(tmp_path, card):
    run = tmp_path / "run"
    command = train_command(
        "six-cameras", "--data", card, "--epochs", 1000, "--out", run, processes=2
    )
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        wait_until((run / "history.jsonl").exists)
        os.kill(rank_of(started.pid, 1), signal.SIGKILL)
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    (line,) = re.findall(r"^.*ddnn: (rank 1 .*)$", said, re.MULTILINE)
    done = len((run / "history.jsonl").read_text().splitlines())
    assert re.match(rf"rank 1 \(process \d+ on .*\) ended in epoch {done + 1}, and the train", line)
    assert f"the checkpoint of epoch {done} is kept, go on with --resume RUN" in line
    assert trained("--resume", run, "--epochs", done + 1).returncode == 0


def rank_of(parent: int, rank: int) -> int:
    """The process of a rank that torchrun has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        if f"\0RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"no rank {rank} among {children}")
