"""Options of commands that show what runs on a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ddnn.errors import ConfigError
from ddnn.live.page.options import PageOptions
from ddnn.live.page.options import page_options as checked

F = TypeVar("F", bound=Callable[..., Any])

_file = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--page", metavar="HOST:PORT", help="Show it live, for example 127.0.0.1:8080."),
    click.option("--allow-faults", is_flag=True, help="Let the page make nodes fail."),
    click.option("--show-views", is_flag=True, help="Let devices show the page what they see."),
    click.option(
        "--page-token",
        "token_file",
        type=_file,
        metavar="FILE",
        help="File with the token that browsers must give.",
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
    """Takes the page's options out of a command's, but for `show_views`, which is its devices'
    too; None: no page. Raises ConfigError."""
    names = ("token_file", "cert", "key", "allow_faults")
    given = {name: how.pop(name) for name in names}
    address = how.pop("page")
    if address is not None:
        return checked(address, show_views=how["show_views"], **given)
    if any(given.values()):
        raise ConfigError("--page: not given, want --page HOST:PORT with the page's options")
    return None


def check_shown(page: PageOptions | None, *, show_views: bool) -> None:
    """Raises ConfigError where views would leave their devices and be shown to nobody."""
    if show_views and page is None:
        raise ConfigError("--show-views: there is no page, want --page HOST:PORT")
