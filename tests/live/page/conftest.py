"""All tests here need the extra; a certificate for those that need one."""

import importlib.util
import subprocess
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without ddnn[page] there is no page to test."""
    if all(
        importlib.util.find_spec(name) for name in ("starlette", "uvicorn", "prometheus_client")
    ):
        return
    for item in items:
        if "live/page" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="needs ddnn[page]"))


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of its own making, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key
