"""The page beside whatever runs: made of its options, fed by what it is watched by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ddnn.bundle.load import Bundle
from ddnn.live.feed import Feed
from ddnn.live.page.expected import expected_accuracy
from ddnn.live.page.options import PageOptions
from ddnn.live.page.server import Page
from ddnn.report.reference import read_reference
from ddnn.run.launcher.control import request
from ddnn.run.launcher.start import Watcher

ACCOUNT_S = 2.0
"""How often nodes tell the page what they have counted."""


@contextmanager
def page_beside(
    options: PageOptions | None,
    watcher: Watcher,
    run: Path,
    bundle: Bundle,
    *,
    total: int | None,
    out: Path,
) -> Iterator[Watcher]:
    """The watcher, which feeds the page as well while it is there. run: where the bundle's failure
    study is, if there is one. total: samples in all, None: nobody knows. out: where results go."""
    if options is None:
        yield watcher
        return
    feed = watcher.feed or Feed()
    page = Page(
        options,
        bundle.topology,
        feed,
        act=lambda asked: request(asked, os.getpid()),
        total=total,
        folder=out,
        reference=read_reference(run, bundle.sha256),
        expected=expected_accuracy(run, bundle.topology, bundle.sha256),
    )
    with page:
        watcher.say(f"page: {page.url}")
        yield replace(watcher, feed=feed, account_s=ACCOUNT_S)
