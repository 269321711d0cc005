"""A topology as SVG text, where the page draws it too."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ddnn.live.page.layout import DrawnLink, drawn_links, places, ranks
from ddnn.topology import COLLECTOR, Topology

BOX_WIDTH, BOX_HEIGHT = 128, 44
ROW, WIDTH = 72, 960


def topology_svg(
    topology: Topology,
    states: Mapping[str, str],
    notes: Mapping[str, str],
    links: Mapping[str, str],
) -> str:
    """states: CSS class of each node. notes: its second line. links: what stands at each link, by
    `from:to`."""
    spots = places(topology)
    along = max(place.x for place in spots.values()) or 1
    unit = max(170.0, (WIDTH - BOX_WIDTH - 4) / along)
    at = {
        name: (p.x * unit + BOX_WIDTH / 2 + 2, 26 + p.y * ROW + BOX_HEIGHT / 2)
        for name, p in spots.items()
    }
    drawn = drawn_links(topology)
    width, height = along * unit + BOX_WIDTH + 4, 30 + (max(p.y for p in spots.values()) + 1) * ROW
    parts = [
        *(
            f'<text class="rank" x="{min(at[n][0] for n in names) - BOX_WIDTH / 2 + 1:.0f}" y="13">'
            f"{escape(title)}</text>"
            for title, names in ranks(topology)
        ),
        *(_link(link, at, states) for link in drawn),
        *(_node(name, at[name], states.get(name, "alive"), notes.get(name, "")) for name in at),
        *(_label(link, at, links.get(link.name, "")) for link in drawn if len(drawn) <= 24),
    ]
    return (
        f'<svg id="topology" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        f"{''.join(parts)}</svg>"
    )


def _side(link: DrawnLink) -> int:
    """Scores leave a node above its middle, features below."""
    return -9 if "scores" in link.carries else 9 if "features" in link.carries else 0


def _link(link: DrawnLink, at: Mapping[str, tuple[float, float]], states: Mapping[str, str]) -> str:
    (x0, y0), (x1, y1) = at[link.sender], at[link.receiver]
    x0, y0, x1 = x0 + BOX_WIDTH / 2, y0 + _side(link), x1 - BOX_WIDTH / 2
    bend = 0.42 * (x1 - x0) if x1 > x0 else BOX_WIDTH / 2
    is_dead = any(states.get(end, "alive") != "alive" for end in (link.sender, link.receiver))
    return (
        f'<g class="link{" dead" if is_dead else ""}"><path class="line" stroke-width="2" '
        f'd="M{x0:.0f} {y0:.0f}C{x0 + bend:.0f} {y0:.0f} {x1 - bend:.0f} {y1:.0f} '
        f'{x1:.0f} {y1:.0f}"/></g>'
    )


def _label(link: DrawnLink, at: Mapping[str, tuple[float, float]], text: str) -> str:
    (x0, y0), (x1, y1) = at[link.sender], at[link.receiver]
    if link.receiver == COLLECTOR:
        x, y, anchor = (x0 + x1) / 2, (y0 + y1) / 2 - 7, "middle"
    else:
        x, y, anchor = x0 + BOX_WIDTH / 2 + 8, y0 + (23 if _side(link) > 0 else -15), "start"
    return (
        f'<text class="label" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _node(name: str, place: tuple[float, float], state: str, note: str) -> str:
    left, top = place[0] - BOX_WIDTH / 2, place[1] - BOX_HEIGHT / 2
    return (
        f'<g class="node {escape(state)}">'
        f'<rect class="box" x="{left:.0f}" y="{top:.0f}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="8"/>'
        f'<rect class="side" x="{left + 4:.0f}" y="{top + 8:.0f}" width="4" '
        f'height="{BOX_HEIGHT - 16}" rx="2"/>'
        f'<text class="name" x="{left + 17:.0f}" y="{top + 18:.0f}">{escape(name[:14])}</text>'
        f'<text class="sub" x="{left + 17:.0f}" y="{top + 34:.0f}">{escape(note)}</text></g>'
    )
