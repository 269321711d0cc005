"""Settings of all tests; in continuous integration nothing is skipped for want of a package."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ddnn", deadline=None, max_examples=50)
settings.load_profile("ddnn")

# `nohup make test &` ignores both, and so would all that the tests start and then send them to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

WANTING = "Skipped: needs "
"""How the reason of a skip begins that installing something would mend."""

EXAMPLE = Path(__file__).parent / "example_package"


@pytest.fixture(scope="session")
def installed_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example package is installed, by pip and with no network."""
    pytest.importorskip("hatchling", reason="needs hatchling")
    place = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(place)]
    subprocess.run([*pip, *options, str(EXAMPLE)], check=True, timeout=60)
    return place


@pytest.fixture
def example_package(installed_example: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example package can be imported, here and in child processes."""
    monkeypatch.syspath_prepend(str(installed_example))
    monkeypatch.setenv("PYTHONPATH", str(installed_example), prepend=os.pathsep)
    importlib.invalidate_caches()
    yield installed_example
    for name in [name for name in sys.modules if name.partition(".")[0] == "ddnn_example"]:
        del sys.modules[name]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI=true, a test that was skipped since something is missing fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    skipped = [report.longrepr[2] for report in reporter.stats.get("skipped", ())]
    wanting = sorted({reason for reason in skipped if reason.startswith(WANTING)})
    if wanting:
        reporter.write_line(f"not to be skipped here: {'; '.join(wanting)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
