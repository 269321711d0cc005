"""Draws blocks and balls on a grid of rays, nearest first.

A ray through the image point (X, Y) runs along forward + X right + Y up, so that a point on it
at depth t lies t metres ahead. Nearness w = 1 / t of a plane is linear in X and Y: a block costs
an addition and a comparison a side, and no division. Axes: B crops, R x S rays of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.draws import Floats
from ddnn.data.renderer.shapes import Ball, Block, Shape

FAR = 1e9
Vector = tuple[Floats, Floats, Floats]
"""x, y and z, each (B,)."""


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
    if isinstance(shape, Ball):
        _draw_ball(canvas, rays, shape, light)
    else:
        _draw_block(canvas, rays, shape, light)


def _draw_block(canvas: Canvas, rays: Rays, block: Block, light: Light) -> None:
    first = len(canvas.colours)
    near, far = np.full_like(canvas.nearness_BRS, FAR), np.zeros_like(canvas.nearness_BRS)
    face = np.zeros_like(canvas.face_BRS)
    for normal, offset in _sides(block, len(rays.origin[0])):
        ahead = dot(normal, rays.origin) - offset  # positive: this side faces the camera
        ahead = np.where(np.abs(ahead) < 1e-9, 1e-9, ahead)
        towards = ahead > 0
        nearness = -rays.linear(normal) / ahead[:, None, None]
        if towards.any():
            index = len(canvas.colours)
            entering = np.where(towards[:, None, None], nearness, FAR)
            np.copyto(face, index, where=entering < near)
            np.minimum(near, entering, out=near)
            lit = light.on(dot(normal, light.towards), light.sun_B, light.sky_B)
            canvas.colours.append(block.colour_B3 * lit[:, None])
        if not towards.all():
            leaving = np.where(towards[:, None, None], 0.0, nearness)
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
    origin: Vector = tuple((rays.origin[i] - ball.centre[i]) / ball.radii[i] for i in range(3))  # type: ignore[assignment] # three by construction
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
