"""All tests here need the extra."""

import importlib.util

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
