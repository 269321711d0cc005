"""What one camera sees of the objects on the street: whether, in which crop, and the picture.

Axes: N scenes, V cameras, B crops (scenes of one class that one camera sees), R x S rays of a
crop, P points of an object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.backdrop import paint_backdrop
from ddnn.data.renderer.draws import Floats
from ddnn.data.renderer.look import KINDS, MARGIN, objects
from ddnn.data.renderer.raster import Canvas, Light, Rays, Vector, draw, draw_everywhere
from ddnn.data.renderer.shapes import Objects
from ddnn.data.renderer.street import CAMERAS, FURNITURE, SIGHT, Camera, Scenes, aim

NEAREST_M = 4.0
NARROWEST, WIDEST = 0.62, 1.6
"""Crops are at least and at most this much as wide as high before they become square."""

PROBES = [(i, j, k) for i in (-0.4, 0, 0.4) for j in (-0.4, 0, 0.4) for k in (0.5, 0.15, 0.85)]
CORNERS = [(i, j, k) for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0.0, 1.0)]
MIDDLE = PROBES.index((0, 0, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Crops in image coordinates (tangents), each (B,)."""

    left: Floats
    right: Floats
    bottom: Floats
    top: Floats


def sizes_N3(scenes: Scenes) -> Floats:
    """Length, width and height of every object."""
    sizes = np.zeros((len(scenes), 3))
    for number in range(len(KINDS)):
        rows = np.flatnonzero(scenes.class_N == number)
        sizes[rows] = objects(number, scenes.draws.rows(rows)).size_B3
    return sizes


def seen_NV(scenes: Scenes) -> NDArray[np.bool_]:
    """Which camera sees which object: near enough, in its angle of view, not hidden."""
    sizes = sizes_N3(scenes)
    return np.stack([_seen_N(camera, scenes, sizes) for camera in CAMERAS], axis=1)


def _seen_N(camera: Camera, scenes: Scenes, sizes: Floats) -> NDArray[np.bool_]:
    X_NP, Y_NP, depth_NP = _project(camera, scenes, sizes, PROBES)
    depth_N = depth_NP[:, MIDDLE]
    in_reach = (depth_N > NEAREST_M) & (depth_N < camera.reach_m)
    in_angle = np.abs(X_NP[:, MIDDLE]) < camera.half_width
    rays = world_rays(camera, X_NP[:, :, None], Y_NP[:, :, None])
    canvas = Canvas.behind(1.0 / np.maximum(depth_NP, 0.1)[:, :, None])
    for shape in FURNITURE:
        draw_everywhere(canvas, rays, shape, scenes.light)
    hidden_N = (canvas.face_BRS >= 0).sum(axis=(1, 2))
    seen_N: NDArray[np.bool_] = in_reach & in_angle & (hidden_N <= (1 - SIGHT) * len(PROBES))
    return seen_N


def _project(
    camera: Camera, scenes: Scenes, sizes: Floats, points: list[tuple[float, float, float]]
) -> tuple[Floats, Floats, Floats]:
    """X, Y and depth, each (N,P), of points given as shares of length, width and height."""
    position, *axes = aim(camera)
    image = []
    for i, j, k in points:
        x, y, z = i * sizes[:, 0], j * sizes[:, 1], k * sizes[:, 2]
        world = (
            scenes.x_N + scenes.cosine_N * x - scenes.sine_N * y - position[0],
            scenes.y_N + scenes.sine_N * x + scenes.cosine_N * y - position[1],
            z - position[2],
        )
        depth, right, up = (world[0] * a[0] + world[1] * a[1] + world[2] * a[2] for a in axes)
        ahead = np.maximum(depth, 0.5)
        image.append((right / ahead, up / ahead, depth))
    X_NP, Y_NP, depth_NP = (np.stack(column, axis=1) for column in zip(*image, strict=True))
    return X_NP, Y_NP, depth_NP


def windows(
    camera: Camera, scenes: Scenes, jitter_B4: Floats, *, margin: float = MARGIN
) -> Windows:
    """The crops around the objects, cut off where the camera's image ends.

    jitter_B4: how far left, right, bottom and top are off, as a share of width or height.
    margin: added on each side, likewise.
    """
    X_BP, Y_BP, _ = _project(camera, scenes, sizes_N3(scenes), CORNERS)
    left, right = X_BP.min(axis=1), X_BP.max(axis=1)
    bottom, top = Y_BP.min(axis=1), Y_BP.max(axis=1)
    left, right = np.maximum(left, -camera.half_width), np.minimum(right, camera.half_width)
    width, height = right - left, top - bottom
    more_width = np.maximum(NARROWEST * height - width, 0) / 2
    more_height = np.maximum(width / WIDEST - height, 0) / 2
    return Windows(
        left=left - more_width - (margin + jitter_B4[:, 0]) * width,
        right=right + more_width + (margin + jitter_B4[:, 1]) * width,
        bottom=bottom - more_height - (margin + jitter_B4[:, 2]) * height,
        top=top + more_height + (margin + jitter_B4[:, 3]) * height,
    )


def picture(
    camera: Camera,
    scenes: Scenes,
    crops: Windows,
    *,
    before: Scenes | None,
    rays_a_side: int,
) -> Floats:
    """(B,R,S,3) light that reaches the camera, of scenes that are all of one class.

    before: what stands in the way, also of one class. Row 0 is the top. Values are about 0 to 1,
    more where it is glaring.
    """
    step = (np.arange(rays_a_side) + 0.5) / rays_a_side
    X_B1S = (crops.left[:, None] + (crops.right - crops.left)[:, None] * step)[:, None, :]
    Y_BR1 = (crops.top[:, None] - (crops.top - crops.bottom)[:, None] * step)[:, :, None]
    rays = world_rays(camera, X_B1S, Y_BR1)
    nearness_BRS, backdrop_BRS3 = paint_backdrop(rays, scenes, _objects(scenes).size_B3)
    canvas = Canvas.behind(nearness_BRS)
    for each in (scenes,) if before is None else (scenes, before):
        turned, light = _as_the_object_has_it(rays, each)
        for shape in _objects(each).shapes:
            draw(canvas, turned, shape, light)
    for shape in FURNITURE:
        draw(canvas, rays, shape, scenes.light)
    return canvas.over(backdrop_BRS3)


def _objects(scenes: Scenes) -> Objects:
    return objects(int(scenes.class_N[0]), scenes.draws.fork())


def world_rays(camera: Camera, X_B1S: Floats, Y_BR1: Floats) -> Rays:
    """A camera's rays through these image points, for B crops."""
    origin, forward, right, up = (
        (np.full(len(X_B1S), a[0]), np.full(len(X_B1S), a[1]), np.full(len(X_B1S), a[2]))
        for a in aim(camera)
    )
    return Rays(origin=origin, forward=forward, right=right, up=up, X_B1S=X_B1S, Y_BR1=Y_BR1)


def _as_the_object_has_it(rays: Rays, scenes: Scenes) -> tuple[Rays, Light]:
    """Rays and light in the object's frame."""

    def rotated(vector: Vector) -> Vector:
        cosine, sine = scenes.cosine_N, scenes.sine_N
        return (
            cosine * vector[0] + sine * vector[1],
            cosine * vector[1] - sine * vector[0],
            vector[2],
        )

    x, y, z = rays.origin
    turned = Rays(
        origin=rotated((x - scenes.x_N, y - scenes.y_N, z)),
        forward=rotated(rays.forward),
        right=rotated(rays.right),
        up=rotated(rays.up),
        X_B1S=rays.X_B1S,
        Y_BR1=rays.Y_BR1,
    )
    return turned, replace(scenes.light, towards=rotated(scenes.light.towards))
