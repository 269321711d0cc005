"""N samples, V views, C image channels, H, W."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_samples

from ddnn.training.batches import (
    SHIFT,
    augment,
    batches,
    drop_devices,
    mix_views,
    shift_and_mirror,
    tensors,
)
from ddnn.training.settings import settings_for

CPU = torch.device("cpu")


@given(st.integers(1, 12), st.integers(1, 6), st.floats(0.0, 0.95), st.integers(0, 1000))
def test_dropout_leaves_every_sample_a_device(count, views, share, seed):
    torch.manual_seed(seed)
    kept = drop_devices(torch.ones(count, views, dtype=torch.bool), share)
    assert kept.shape == (count, views)
    assert kept.any(dim=1).all()


def test_dropout_removes_the_share_asked_for_and_whole_devices():
    torch.manual_seed(0)
    kept = drop_devices(torch.ones(4000, 6, dtype=torch.bool), 0.3)
    assert abs(1 - kept.float().mean().item() - 0.3) < 0.02
    lost = (~kept).sum(dim=1)
    assert set(lost.tolist()) == {0, 1, 2, 3, 4, 5}


def test_no_share_removes_nothing():
    present = torch.ones(5, 3, dtype=torch.bool)
    assert drop_devices(present, 0.0).all()


def test_all_views_of_a_sample_change_alike():
    torch.manual_seed(1)
    image = torch.randint(0, 256, (12, 1, 3, 16, 16), dtype=torch.uint8)
    views = image.expand(12, 4, 3, 16, 16)
    changed = augment(views, torch.zeros(12, 4, dtype=torch.int64))
    assert changed.shape == views.shape
    assert changed.dtype == torch.uint8
    assert (changed == changed[:, :1]).all()
    assert not torch.equal(changed, views)


def test_absent_views_stay_black(data):
    torch.manual_seed(0)
    everything = tensors(data.samples, CPU)
    changed = augment(everything.views_NVCHW, everything.labels_NV)
    assert not changed[everything.labels_NV < 0].any()


@pytest.mark.parametrize("channels", [2, 4])
def test_views_of_other_channels_than_grey_or_colour_are_moved_alone(channels):
    views = torch.full((3, 2, channels, 8, 8), 100, dtype=torch.uint8)
    changed = augment(views, torch.zeros(3, 2, dtype=torch.int64))
    assert torch.equal(changed, views)


def test_an_epoch_visits_every_sample_once(data):
    plain = settings_for("robust", batch=16, augment="none", device_dropout=0.0, view_mixing=0.0)
    torch.manual_seed(0)
    seen = torch.cat([batch.views_NVCHW for batch in batches(tensors(data.samples, CPU), plain)])
    views = torch.from_numpy(data.samples.views_NVCHW)
    assert torch.equal(
        seen.flatten(1).float().sum(1).sort()[0], views.flatten(1).float().sum(1).sort()[0]
    )


def test_the_paper_preset_makes_one_batch_of_all(data):
    (batch,) = batches(tensors(data.samples, CPU), settings_for("paper"))
    assert len(batch.fused_N) == len(data.samples)
    assert batch.present_NV.all()


def test_a_single_sample_left_over_joins_no_batch(data):
    sizes = [
        len(batch.fused_N)
        for batch in batches(tensors(data.samples, CPU), settings_for("robust", batch=19))
    ]
    assert sizes == [19] * 5  # 96 = 5 x 19 + 1


@given(st.floats(0, 1), st.integers(0, 1000))
def test_mixed_views_come_from_the_same_camera_and_class(share, seed):
    torch.manual_seed(seed)
    views, labels, fused, _ = tensors(make_samples(24, seed=seed), CPU)
    mixed = mix_views(views, labels, fused, share)
    for camera in range(3):
        known = {
            (view.numpy().tobytes(), int(label))
            for view, label in zip(views[:, camera], fused, strict=True)
        }
        got = zip(mixed[:, camera], fused, strict=True)
        assert all((view.numpy().tobytes(), int(label)) in known for view, label in got)


def test_mixing_leaves_who_sees_the_object(data):
    torch.manual_seed(0)
    views, labels, fused, _ = tensors(data.samples, CPU)
    mixed = mix_views(views, labels, fused, 1.0)
    assert not mixed[labels < 0].any()
    assert mixed[labels >= 0].flatten(1).any(dim=1).all()
    assert not torch.equal(mixed, views)


def test_no_share_mixes_nothing(data):
    views, labels, fused, _ = tensors(data.samples, CPU)
    assert torch.equal(mix_views(views, labels, fused, 0.0), views)


def test_each_image_is_shifted_and_mirrored_on_its_own():
    torch.manual_seed(0)
    image = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 1, 8, 8)
    changed = shift_and_mirror(image.expand(200, 2, 1, 8, 8))
    assert changed.shape == (200, 2, 1, 8, 8)
    assert changed.dtype == torch.uint8
    padded = torch.nn.functional.pad(image[0, 0, 0], (SHIFT,) * 4)
    windows = padded.unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
    wanted = {tuple(w.flatten().tolist()) for w in (*windows, *windows.flip(-1))}
    got = {tuple(w.flatten().tolist()) for w in changed.reshape(-1, 8, 8)}
    assert got <= wanted
    assert len(got) > 100  # 162 differ
