"""Settings of all tests; in continuous integration nothing is skipped for want of a package."""

import os

import pytest
from hypothesis import settings

settings.register_profile("ddnn", deadline=None, max_examples=50)
settings.load_profile("ddnn")

WANTING = "Skipped: needs "
"""How the reason of a skip begins that installing something would mend."""


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
