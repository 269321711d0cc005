"""What supervises where there is no systemd: signals, and its log."""

import subprocess
import sys
from contextlib import closing

from ddnn.deploy import supervise
from ddnn.deploy.supervise import Log

FLOODED = """
import signal
from ddnn.deploy.supervise import Stop

stop, come, times = Stop(), signal.getsignal(signal.SIGTERM), 0
for _ in range(70_000):  # more than a pipe holds
    signal.raise_signal(signal.SIGTERM)

def come_again(*told):
    global times
    times += 1
    come(*told)

signal.signal(signal.SIGALRM, come_again)
signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
while times < 1000:  # wherever it waits
    stop.wait(0)
signal.setitimer(signal.ITIMER_REAL, 0)
print(stop.has_come)
"""


def test_however_often_it_is_told_to_stop_nothing_blocks():
    done = subprocess.run(
        [sys.executable, "-c", FLOODED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True\n"


def test_a_log_that_somebody_has_moved_is_begun_anew_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(supervise, "LOG_BYTES", 20)
    with closing(Log(tmp_path)) as log:
        log.add(b"a first line\n")
        (tmp_path / "log").rename(tmp_path / "kept")
        for said in (b"a second one\nand ", b"a third\n"):
            log.add(said)
    assert (tmp_path / "kept").read_bytes() == b"a first line\na second one\n"
    assert (tmp_path / "log").read_bytes() == b"and a third\n"
