"""The renderer: the same bytes everywhere, cameras as different as they should be."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ddnn.data import ABSENT
from ddnn.data.renderer import optics, street, view
from ddnn.data.renderer.draws import Draws, noise, turn
from ddnn.data.renderer.images import render
from ddnn.data.renderer.look import KINDS, Look, objects
from ddnn.data.renderer.raster import Canvas, Light, Rays, draw
from ddnn.data.renderer.shapes import Ball, box

PRESENT = (0.376, 0.382, 0.529, 0.574, 0.594, 0.751)
"""Figure 6 of Teerapittayanon et al. 2017, as measured."""


@pytest.fixture(scope="module")
def rendered() -> tuple[np.ndarray, np.ndarray]:
    return render(24, 0)


def test_views_are_the_same_bytes_on_every_machine(
    rendered: tuple[np.ndarray, np.ndarray],
) -> None:
    views, labels = rendered
    digest = hashlib.sha256(views.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    assert digest == "8fa234a664559dfc8f215219e45ceacf2f7fc0dc1173211c5058db7da3493d30"


def test_larger_set_begins_with_the_smaller_one(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    views, labels = render(5, 0)
    assert (views == rendered[0][:5]).all()
    assert (labels == rendered[1][:5]).all()


def test_another_seed_gives_other_samples(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    assert not (render(5, 1)[0] == rendered[0][:5]).all()


def test_absent_views_are_black_and_others_are_not(
    rendered: tuple[np.ndarray, np.ndarray],
) -> None:
    views, labels = rendered
    assert (views.max(axis=(2, 3, 4)) > 0).tolist() == (labels != ABSENT).tolist()


def test_views_of_a_sample_agree(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    labels = rendered[1]
    assert ((labels == ABSENT) | (labels == labels.max(axis=1, keepdims=True))).all()
    assert (labels.max(axis=1) != ABSENT).all()


def test_cameras_see_about_as_much_as_the_real_ones() -> None:
    scenes = street.compose(Draws.seeded(5, 3000))
    seen = view.seen_NV(scenes)
    present = seen[seen.any(axis=1)].mean(axis=0)
    assert present == pytest.approx(PRESENT, abs=0.03)


def test_classes_come_in_their_shares() -> None:
    classes = street.compose(Draws.seeded(5, 3000)).class_N
    assert np.bincount(classes) / 3000 == pytest.approx(street.CLASS_SHARES, abs=0.03)


def test_every_kind_can_be_drawn_within_its_size() -> None:
    draws = Draws.seeded(3, 5)
    for number in range(len(KINDS)):
        made = objects(number, draws.fork(20))
        corners = np.array(
            [
                [np.broadcast_to(part, 5) for part in corner]
                for shape in made.shapes
                for corner in shape.corners()
            ]
        )
        spread = corners.max(axis=0) - corners.min(axis=0)
        assert (spread <= made.size_B3.T + 0.45).all(), KINDS[number]
        assert (spread >= 0.5 * made.size_B3.T).all(), KINDS[number]


def test_a_set_has_the_classes_that_its_look_names_in_that_order() -> None:
    look = Look(classes=("tram", "person", "cart"))
    scenes = street.compose(Draws.seeded(5, 3000), look.numbers)
    assert {KINDS[number] for number in np.unique(scenes.class_N)} == set(look.classes)
    assert np.unique(scenes.class_N, return_counts=True)[1] / 3000 == pytest.approx(1 / 3, abs=0.03)
    _, labels = render(12, 1, look)
    assert set(np.unique(labels)) == {ABSENT, 0, 1, 2}


@pytest.mark.parametrize("look", [Look(margin=1.0), Look(jitter=4.0)], ids=["margin", "jitter"])
def test_other_crops_show_the_same_objects_to_the_same_cameras(
    rendered: tuple[np.ndarray, np.ndarray], look: Look
) -> None:
    views, labels = render(6, 0, look)
    assert (labels == rendered[1][:6]).all()
    seen = labels != ABSENT
    assert (views[seen] != rendered[0][:6][seen]).any(axis=(1, 2, 3)).all()


def test_more_noise_and_a_crowd_change_what_they_are_asked_to() -> None:
    plain, loud = Look(), Look(noise=2.0, crowd=0.5)
    for before, after in zip(plain.cameras, loud.cameras, strict=True):
        assert after.noise == 2 * before.noise
        assert after.crowd == pytest.approx(before.crowd + 0.5)
    assert plain.cameras == street.CAMERAS


def test_draws_of_a_sample_do_not_depend_on_the_others() -> None:
    few, many = Draws.seeded(3, 4), Draws.seeded(3, 9)
    assert (few.uniform(0, 1) == many.uniform(0, 1)[:4]).all()
    assert (few.uniform(0, 1) == many.rows(np.arange(4)).uniform(0, 1)).all()


def test_noise_has_mean_0_and_deviation_1() -> None:
    drawn = noise([1, 2], (200, 300))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("half_tangent", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_turn_is_a_rotation(half_tangent: float) -> None:
    cosine, sine = turn(np.array([half_tangent]))
    assert np.arctan2(sine, cosine) == pytest.approx(2 * np.arctan(half_tangent))
    assert cosine**2 + sine**2 == pytest.approx(1)


def drawn(shape: object, *, first: object | None = None) -> Canvas:
    """A canvas of 41 x 41 rays along x from the origin, after drawing."""
    zero, one = np.zeros(1), np.ones(1)
    lines = np.linspace(-1, 1, 41)
    rays = Rays(
        origin=(zero, zero, zero),
        forward=(one, zero, zero),
        right=(zero, -one, zero),
        up=(zero, zero, one),
        X_B1S=lines[None, None, :],
        Y_BR1=-lines[None, :, None],
    )
    canvas = Canvas.behind(np.full((1, 41, 41), 1e-6))
    light = Light(towards=(-one, zero, zero), sun_B=one, sky_B=zero)
    for each in (first, shape):
        if each is not None:
            draw(canvas, rays, each, light)
    return canvas


GREY = np.array([[0.5, 0.5, 0.5]])
CUBE = box((-1.0, 1.0), 1.0, 1.0, GREY).moved(5.0, 0.0)
BALL = Ball(centre=(5.0, 0.0, 0.0), radii=(1.0, 1.0, 1.0), colour_B3=GREY)


@pytest.mark.parametrize(("shape", "nearest_m"), [(CUBE, 4.0), (BALL, 4.0)], ids=["cube", "ball"])
def test_shape_is_met_where_it_stands(shape: object, nearest_m: float) -> None:
    canvas = drawn(shape)
    assert 1 / canvas.nearness_BRS[0, 20, 20] == pytest.approx(nearest_m)
    assert canvas.face_BRS[0, 0, 0] == -1


def test_cube_covers_what_perspective_says() -> None:
    hit = drawn(CUBE).face_BRS[0] >= 0
    assert hit.sum() == 11 * 11  # half a metre of 2 at 4 m: tangents up to 0.25, lines 0.05 apart


@pytest.mark.parametrize("order", ["near first", "far first"])
def test_nearer_shape_hides_the_other(order: str) -> None:
    near, far = CUBE, CUBE.moved(3.0, 0.0)
    canvas = drawn(far, first=near) if order == "near first" else drawn(near, first=far)
    assert 1 / canvas.nearness_BRS[0, 20, 20] == pytest.approx(4.0)


def test_shape_behind_the_camera_is_not_drawn() -> None:
    assert (drawn(CUBE.moved(-10.0, 0.0)).face_BRS == -1).all()
    assert (drawn(Ball(centre=(-5.0, 0, 0), radii=(1, 1, 1), colour_B3=GREY)).face_BRS == -1).all()


def test_side_towards_the_sun_is_lit() -> None:
    canvas = drawn(BALL)
    assert canvas.light_BRS[0, 20, 20] == pytest.approx(1.0)
    assert canvas.light_BRS[0, 20, 23] < 0.8


def test_shrinking_keeps_the_mean() -> None:
    light = np.random.default_rng(0).uniform(size=(2, 8, 8, 3))
    assert optics.shrink(light, 2).mean() == pytest.approx(light.mean())


def test_blur_takes_detail_and_keeps_flat_areas() -> None:
    checks = np.indices((8, 8)).sum(axis=0) % 2.0
    image = np.broadcast_to(checks[None, :, :, None], (2, 8, 8, 3))
    blurred = optics.blur(image, np.array([0.0, 1.5]))
    assert (blurred[0] == image[0]).all()
    assert blurred[1, 2:-2, 2:-2].std() < 0.1
    assert optics.blur(np.full((1, 4, 4, 3), 0.5), np.array([2.0])) == pytest.approx(0.5)
