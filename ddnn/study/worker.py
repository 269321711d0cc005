"""What runs a job, on whatever machine an engine has chosen: text in, text out, nothing raised."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from platform import node
from typing import Any

from ddnn.errors import ConfigError, DdnnError
from ddnn.study.job import Answer, Job, code_version

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def perform(text: str) -> str:
    """Runs the job of a text in this process, with one thread; gives its answer's text."""
    use_one_thread()
    began_s = time.perf_counter()
    try:
        found: dict[str, Any] = {"result": _called(Job.from_text(text))}
    except DdnnError as error:
        found = {"error": str(error)}
    except Exception as error:  # noqa: BLE001  # whatever a job raises is its own answer
        line = " ".join(f"{type(error).__name__}: {error}".split())
        found = {"error": line, "details": traceback.format_exc()}
    seconds = time.perf_counter() - began_s
    return Answer(seconds=seconds, host=node(), pid=os.getpid(), **found).model_dump_json()


def perform_all(texts: Sequence[str]) -> list[str]:
    """As `perform`, one after another."""
    return [perform(text) for text in texts]


def use_one_thread() -> None:
    """Jobs fill the cores; torch, loaded or not, takes one of them."""
    os.environ.update(ONE_THREAD)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _called(job: Job) -> Any:
    if job.code != code_version():
        raise ConfigError(f"{node()}: has {code_version()}, want that of the study, {job.code}")
    module, _, name = job.function.partition(":")
    return getattr(import_module(module), name)(job.inputs, job.places)
