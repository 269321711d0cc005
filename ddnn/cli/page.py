"""Options of commands that show what runs on a page, and the page beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ddnn.bundle.load import Bundle
from ddnn.errors import ConfigError
from ddnn.live.feed import Feed
from ddnn.live.page.expected import expected_accuracy
from ddnn.live.page.options import PageOptions
from ddnn.live.page.options import page_options as checked
from ddnn.live.page.server import Page
from ddnn.report.reference import read_reference
from ddnn.run.launcher.control import request
from ddnn.run.launcher.start import Watcher

F = TypeVar("F", bound=Callable[..., Any])
ACCOUNT_S = 2.0
"""How often nodes tell the page what they have counted."""

_file = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--page", metavar="HOST:PORT", help="Show it live, for example 127.0.0.1:8080."),
    click.option("--allow-faults", is_flag=True, help="Let the page make nodes fail."),
    click.option(
        "--page-token",
        "token_file",
        type=_file,
        metavar="FILE",
        help="Who reads the page knows it.",
    ),
    click.option("--page-cert", "cert", type=_file, metavar="FILE", help="TLS certificate, PEM."),
    click.option("--page-key", "key", type=_file, metavar="FILE", help="The certificate's key."),
)


def page_options(command: F) -> F:
    """`--page HOST:PORT` and how it is protected; `parse_page` takes what they say."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_page(how: dict[str, Any]) -> PageOptions | None:
    """Takes the page's options out of a command's; None: no page. Raises ConfigError."""
    names = ("token_file", "cert", "key", "allow_faults")
    given = {name: how.pop(name) for name in names}
    address = how.pop("page")
    if address is not None:
        return checked(address, **given)
    if any(given.values()):
        raise ConfigError("--page: not given, want --page HOST:PORT with the page's options")
    return None


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
