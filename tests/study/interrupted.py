"""A program that waits for a job without an end on an engine, and gets a signal."""

import os
import subprocess
import sys
from pathlib import Path

from waiting import wait_until

import ddnn

PROGRAM = """
import sys
from pathlib import Path
from toy_jobs import job
from ddnn.run.interrupt import interruptible
from ddnn.study.engine import open_engine
if __name__ == "__main__":
    engine, folder = sys.argv[1:]
    with interruptible("stopped"), open_engine(engine, Path(folder)) as engine:
        list(engine.run([job("hang", places={"mark": folder + "/mark"})]))
"""


def interrupted(engine: str, folder: Path, number: int) -> tuple[str, Path]:
    """What it says after the signal, and where the kernel shows the job's process, if at all."""
    program, mark = folder / "program.py", folder / "mark"
    program.write_text(PROGRAM, encoding="utf-8")
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(ddnn.__file__).parents[1])])
    started = subprocess.Popen(
        [sys.executable, program, engine, folder],
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: mark.exists() and mark.read_text(encoding="utf-8"), 150)
    hangs = Path("/proc", mark.read_text(encoding="utf-8"))
    assert hangs.exists()
    started.send_signal(number)
    _, said = started.communicate(timeout=60)
    return said.strip(), hangs
