"""What is said of a Slurm task that is lost; needs no Slurm."""

import pytest

from ddnn.study.on_slurm import _last_line

submitit = pytest.importorskip("submitit", reason="needs submitit")
CANCELLED = """\
submitit WARNING (2026-11-29 05:50:44,932) - Bypassing signal SIGCONT
slurmstepd-vm: error: *** JOB 3 ON vm CANCELLED AT 2026-11-29T05:50:44 ***
submitit WARNING (2026-11-29 05:50:44,939) - Bypassing signal SIGTERM
"""  # of Debian's Slurm, after scancel


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (CANCELLED, "slurmstepd-vm: error: *** JOB 3 ON vm CANCELLED AT 2026-11-29T05:50:44 ***"),
        ("starts\nno such module\n", "no such module"),
        ("", "no word in its log"),
    ],
    ids=["cancelled", "broken", "silent"],
)
def test_slurms_own_word_comes_before_the_last_line(tmp_path, log, said):
    task = submitit.SlurmJob(folder=tmp_path, job_id="3_1")
    task.paths.stderr.write_text(log)
    assert _last_line(task) == said
