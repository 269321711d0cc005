"""Each device gets the view it was trained on, by name: put in order, mapped, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from ddnn.data import MultiView
from ddnn.data.viewnames import as_trained, parse_map
from ddnn.errors import ConfigError


def samples(*names: str) -> MultiView:
    """Two samples whose pixels are the number of their view."""
    views = len(names)
    return MultiView(
        views=np.tile(np.arange(views, dtype=np.uint8)[None, :, None, None, None], (2, 1, 1, 1, 1)),
        labels_NV=np.repeat([[0], [1]], views, axis=1),
        classes=("car", "bus"),
        view_names=names,
    )


def seen(found: MultiView) -> list[int]:
    return found.views_NVCHW[0, :, 0, 0, 0].tolist()


def trained(
    own: MultiView, names: tuple[str, ...], view_map: dict[str, str] | None = None
) -> MultiView:
    return as_trained(own, names, view_map, card="new.yaml", wanted_by="RUN")


def test_the_same_names_are_left_as_they_are() -> None:
    own = samples("left", "right")
    assert trained(own, ("left", "right")).views is own.views


def test_the_same_names_in_another_order_are_put_in_order() -> None:
    found = trained(samples("right", "zoom", "left"), ("left", "right", "zoom"))
    assert found.view_names == ("left", "right", "zoom")
    assert seen(found) == [2, 0, 1]
    assert found.fused_labels_N.tolist() == [0, 1]


def test_views_are_mapped_and_then_called_as_the_network_calls_them() -> None:
    found = trained(samples("a", "right"), ("left", "right"), {"left": "right", "right": "a"})
    assert found.view_names == ("left", "right")
    assert seen(found) == [1, 0]
    assert seen(trained(samples("a", "right"), ("left", "right"), {"left": "a"})) == [0, 1]


def test_hosts_with_other_orders_agree_on_the_digest() -> None:
    one, other = samples("left", "right"), samples("left", "right").seen_by([1, 0])
    assert trained(one, ("left", "right")).digest == trained(other, ("left", "right")).digest


WRONG = {
    "other": (("right", "zoom"), None, "new.yaml: has views right, zoom, RUN was trained on left"),
    "more": (("left", "right", "zoom"), None, "new.yaml: has views left, right, zoom, RUN was"),
    "fewer": (("left",), None, "new.yaml: has views left, RUN was trained on left, right; want"),
    "half mapped": (("a", "b"), {"left": "a"}, "new.yaml: has views a, b, RUN was trained on left"),
    "mapped twice": (("right", "b"), {"left": "right"}, "has views right, b, RUN was trained on"),
    "unknown view": (("a", "b"), {"lft": "a"}, "--map-views: no view 'lft' in RUN (known: left, r"),
    "unknown other": (("a", "b"), {"left": "c"}, "--map-views: no view 'c' in new.yaml (known: a"),
}


@pytest.mark.parametrize(("names", "view_map", "message"), WRONG.values(), ids=WRONG.keys())
def test_other_views_are_refused(
    names: tuple[str, ...], view_map: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        trained(samples(*names), ("left", "right"), view_map)
    assert message in str(caught.value)


def test_a_network_without_names_takes_any_and_no_map() -> None:
    own = samples("a", "b")
    assert trained(own, ()) is own
    with pytest.raises(ConfigError, match="RUN keeps no names of views, want it trained anew"):
        trained(own, (), {"left": "a"})


def test_a_map_is_read() -> None:
    assert parse_map("left=cam0, right = cafe\u0301") == {"left": "cam0", "right": "caf\u00e9"}
    assert parse_map("left=a=b") == {"left": "a=b"}


@pytest.mark.parametrize("text", ["", "left", "left=", "=a", "left=a,", "left=a,,right=b"])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--map-views: got .* want VIEW=OTHER"):
        parse_map(text)


@pytest.mark.parametrize("text", ["left=a,left=b", "left=a,right=a"])
def test_a_view_that_is_mapped_twice_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is given twice, want each once"):
        parse_map(text)
