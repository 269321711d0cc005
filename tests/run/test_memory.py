"""How much memory a process takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddnn.run.memory import resident_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_is_told_in_bytes_and_of_a_process_that_has_ended_not_at_all():
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    told = pages * os.sysconf("SC_PAGE_SIZE")
    assert resident_bytes("self") == pytest.approx(told, rel=0.02)
    assert resident_bytes(os.getpid()) == pytest.approx(told, rel=0.02)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert resident_bytes(ended.pid) is None
