"""A real Prometheus with the shipped rules, and what it answers."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from ports import free_port

SHIPPED = files("ddnn.live.page") / "monitoring"
needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A real one that scrapes the page, with rules that fire at once; its address."""
    port = free_port()
    scrape = {"job_name": "ddnn", "scrape_interval": "1s", "scrape_timeout": "1s"}
    config = {
        "scrape_configs": [scrape | {"static_configs": [{"targets": [target]}]}],
        "rule_files": [str(folder / "alerts.yml")],
        "global": {"evaluation_interval": "1s"},
    }
    at_once = re.sub(r"for: \w+", "for: 0s", (SHIPPED / "alerts.yml").read_text())
    (folder / "alerts.yml").write_text(at_once)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def asked(address: str, path: str, **parameters: str) -> Any:
    """What its API answers; None while it is not there yet."""
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{address}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        return pytest.fail(f"{parameters}: {error.read().decode()}") if error.code == 400 else None
    except OSError:
        return None
