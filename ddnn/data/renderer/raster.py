"""Draws blocks and balls on a grid of rays, nearest first.

A ray through the image point (X, Y) runs along forward + X right + Y up, so that a point on it
at depth t lies t metres ahead. Nearness w = 1 / t of a plane is linear in X and Y: a block costs
an addition and a comparison a side, and no division. Axes: B crops, R x S rays of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.draws import Floats
from ddnn.data.renderer.shapes import Ball, Block, Shape

FAR = 1e9
"""A nearness that no surface has."""
NEAREST = 0.1
"""Metres ahead: what reaches nearer is drawn on the whole crop."""

Vector = tuple[Floats, ...]
"""x, y and z, each (B,)."""


def _wide(values_B: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return values_B[:, None, None]


def dot(a: Vector, b: Vector) -> Floats:
    """(B,) scalar products, always summed in the same order."""
    return (a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """B cameras' rays, in the frame of what is drawn. X_B1S and Y_BR1 may broadcast."""

    origin: Vector
    forward: Vector
    right: Vector
    up: Vector
    X_B1S: Floats
    Y_BR1: Floats

    def linear(self, normal: Vector) -> Floats:
        """(B,R,S) scalar product of each ray's direction with a vector."""
        return _outer(
            self, dot(normal, self.forward), dot(normal, self.right), dot(normal, self.up)
        )


def _outer(rays: Rays, constant_B: Floats, along_x_B: Floats, along_y_B: Floats) -> Floats:
    rows = rays.Y_BR1 * along_y_B[:, None, None] + constant_B[:, None, None]
    return rows + rays.X_B1S * along_x_B[:, None, None]


@dataclass(slots=True, kw_only=True)
class Canvas:
    """What each ray has met so far.

    nearness_BRS: of the nearest hit. face_BRS: index into `colours`, -1 for none.
    light_BRS: of balls, whose light changes over the surface; 1 elsewhere.
    colours: (B,3) of each face.
    """

    nearness_BRS: Floats
    face_BRS: NDArray[np.int64]
    light_BRS: Floats
    colours: list[Floats]

    @classmethod
    def behind(cls, nearness_BRS: Floats) -> Canvas:
        """A canvas on which nothing nearer than this is drawn yet; such rays keep face -1."""
        return cls(
            nearness_BRS=nearness_BRS.copy(),
            face_BRS=np.full(nearness_BRS.shape, -1, dtype=np.int64),
            light_BRS=np.ones_like(nearness_BRS),
            colours=[],
        )

    def over(self, backdrop_BRS3: Floats) -> Floats:
        """The picture: faces in their colour and light, the backdrop where nothing is drawn."""
        if not self.colours:
            return backdrop_BRS3
        colours_BF3 = np.stack(self.colours, axis=1)
        rows_B11 = np.arange(len(colours_BF3))[:, None, None]
        faces_BRS3 = colours_BF3[rows_B11, self.face_BRS] * self.light_BRS[..., None]
        return np.where(self.face_BRS[..., None] < 0, backdrop_BRS3, faces_BRS3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The sun's direction (towards it) and share, and what comes from everywhere."""

    towards: Vector
    sun_B: Floats
    sky_B: Floats

    def on(self, cosine: Floats, sun: Floats, sky: Floats) -> Floats:
        """Light on a surface that the sun meets at this cosine."""
        return sky + sun * np.maximum(cosine, 0.0)


def draw(canvas: Canvas, rays: Rays, shape: Shape, light: Light) -> None:
    """Adds a shape to the canvas where it is nearest."""
    part = _part_of_crop(rays, shape)
    if part is None:
        return
    rows, columns = part
    near_rays = replace(rays, X_B1S=rays.X_B1S[:, :, columns], Y_BR1=rays.Y_BR1[:, rows])
    patch = Canvas(
        nearness_BRS=canvas.nearness_BRS[:, rows, columns],
        face_BRS=canvas.face_BRS[:, rows, columns],
        light_BRS=canvas.light_BRS[:, rows, columns],
        colours=canvas.colours,
    )
    draw_everywhere(patch, near_rays, shape, light)


def draw_everywhere(canvas: Canvas, rays: Rays, shape: Shape, light: Light) -> None:
    """As `draw`, without leaving out rays that cannot meet the shape."""
    if isinstance(shape, Ball):
        _draw_ball(canvas, rays, shape, light)
    else:
        _draw_block(canvas, rays, shape, light)


def _part_of_crop(rays: Rays, shape: Shape) -> tuple[slice, slice] | None:
    """Rows and columns outside which the shape shows in none of the crops; None if all are."""
    corners = [tuple(corner[i] - rays.origin[i] for i in range(3)) for corner in shape.corners()]
    depths = np.stack([dot(corner, rays.forward) for corner in corners])  # (8,B)
    if depths.min() < NEAREST:
        return slice(None), slice(None)
    X = np.stack([dot(corner, rays.right) for corner in corners]) / depths
    Y = np.stack([dot(corner, rays.up) for corner in corners]) / depths
    columns = _between(rays.X_B1S[:, 0, :], X.min(axis=0), X.max(axis=0))
    rows = _between(rays.Y_BR1[:, :, 0], Y.min(axis=0), Y.max(axis=0))
    return None if columns is None or rows is None else (rows, columns)


def _between(lines_BL: Floats, low_B: Floats, high_B: Floats) -> slice | None:
    """The lines of rays that lie between low and high in any crop."""
    inside = ((lines_BL >= low_B[:, None]) & (lines_BL <= high_B[:, None])).any(axis=0)
    hit = np.flatnonzero(inside)
    return slice(max(int(hit[0]) - 1, 0), int(hit[-1]) + 2) if len(hit) else None


def _draw_block(canvas: Canvas, rays: Rays, block: Block, light: Light) -> None:
    first = len(canvas.colours)
    near, far = np.full_like(canvas.nearness_BRS, FAR), np.zeros_like(canvas.nearness_BRS)
    face = np.zeros_like(canvas.face_BRS)
    for normal, offset in _sides(block, len(rays.origin[0])):
        ahead = dot(normal, rays.origin) - offset  # positive: this side faces the camera
        ahead = np.where(np.abs(ahead) < 1e-9, 1e-9, ahead)
        faces_B = ahead > 0
        nearness = rays.linear(tuple(-part / ahead for part in normal))
        if faces_B.any():
            entering = nearness if faces_B.all() else np.where(_wide(faces_B), nearness, FAR)
            np.copyto(face, len(canvas.colours), where=entering < near)
            np.minimum(near, entering, out=near)
            lit = light.on(dot(normal, light.towards), light.sun_B, light.sky_B)
            canvas.colours.append(block.colour_B3 * lit[:, None])
        if not faces_B.all():
            leaving = np.where(_wide(faces_B), 0.0, nearness) if faces_B.any() else nearness
            np.maximum(far, leaving, out=far)
    if len(canvas.colours) > first:
        seen = (near >= far) & (near > canvas.nearness_BRS) & (near < FAR)
        np.copyto(canvas.nearness_BRS, near, where=seen)
        np.copyto(canvas.face_BRS, face, where=seen)
        np.copyto(canvas.light_BRS, 1.0, where=seen)


def _sides(block: Block, count: int) -> list[tuple[Vector, Floats]]:
    """The outward normal and offset of a block's six sides."""
    low, high = (np.broadcast_to(np.asarray(z, dtype=np.float64), count) for z in block.heights)
    zero, one = np.zeros(count), np.ones(count)
    sides: list[tuple[Vector, Floats]] = [((zero, zero, one), high), ((zero, zero, -one), -low)]
    rise = high - low
    for position, sign in ((0, -1.0), (1, 1.0), (2, -1.0), (3, 1.0)):
        start = np.broadcast_to(np.asarray(block.lower[position], dtype=np.float64), count)
        lean = block.upper[position] - start
        length = np.sqrt(rise * rise + lean * lean)
        outward, upward = sign * rise / length, -sign * lean / length
        normal = (outward, zero, upward) if position < 2 else (zero, outward, upward)
        sides.append((normal, outward * start + upward * low))
    return sides


def _draw_ball(canvas: Canvas, rays: Rays, ball: Ball, light: Light) -> None:
    # In the ball's own scale it is the unit sphere: |origin + direction / w| = 1.
    origin = tuple((rays.origin[i] - ball.centre[i]) / ball.radii[i] for i in range(3))
    directions = [
        _outer(
            rays,
            rays.forward[i] / ball.radii[i],
            rays.right[i] / ball.radii[i],
            rays.up[i] / ball.radii[i],
        )
        for i in range(3)
    ]
    origins = [part[:, None, None] for part in origin]
    a = (directions[0] * directions[0] + directions[1] * directions[1]) + directions[
        2
    ] * directions[2]
    b = (directions[0] * origins[0] + directions[1] * origins[1]) + directions[2] * origins[2]
    c = (dot(origin, origin) - 1.0)[:, None, None]
    inside = b * b - a * c
    nearness = (np.sqrt(np.maximum(inside, 0.0)) - b) / c
    seen = (inside > 0) & (nearness > canvas.nearness_BRS) & (c > 0)
    depth = 1.0 / np.where(seen, nearness, 1.0)
    cosine = np.zeros_like(depth)
    for i in range(3):
        cosine = cosine + (origins[i] + directions[i] * depth) * light.towards[i][:, None, None]
    lit = light.on(cosine, light.sun_B[:, None, None], light.sky_B[:, None, None])
    np.copyto(canvas.nearness_BRS, nearness, where=seen)
    np.copyto(canvas.face_BRS, len(canvas.colours), where=seen)
    np.copyto(canvas.light_BRS, lit, where=seen)
    canvas.colours.append(np.broadcast_to(ball.colour_B3, (len(rays.origin[0]), 3)))
