"""The presets: what the runs of record were trained with."""

from ddnn.training.settings import PRESETS, settings_for


def test_the_paper_preset_is_the_authors_training():
    """Paper, IV-A (Adam at 0.001, 100 epochs), and the authors' code for the rest."""
    assert settings_for("paper").model_dump() == {
        "preset": "paper",
        "dropout_by": "rate",
        "distillation": 0.0,
        "evaluate_every": 1,
        "epochs": 100,
        "batch": None,  # 700 of 680 samples: one update an epoch
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "constant",
        "augment": "none",
        "device_dropout": 0.0,
        "view_mixing": 0.0,
        "class_balance": False,
        "clip_norms": True,
        "keep": "last",
        "exit_weights": {},
        "device_weight": 1.0,
        "precision": "float32",
        "start_from": None,
        "freeze": (),
        "tier_rates": {},
    }


def test_the_robust_preset_trains_for_lost_devices_on_views_as_they_are():
    robust = PRESETS["robust"]
    assert min(robust.device_dropout, robust.device_weight) > 0
    assert (robust.augment, robust.view_mixing) == ("none", 0.0)
    assert (robust.class_balance, robust.keep) == (True, "best")
    assert robust.schedule == "cosine"


def test_the_preset_for_images_has_one_view_a_sample_in_mind():
    images = PRESETS["images"]
    assert (images.optimizer, images.augment, images.schedule) == ("sgd", "crop", "one-cycle")
    assert images.device_dropout == images.view_mixing == images.device_weight == 0
    assert images.weight_decay == 5e-4


def test_a_change_of_none_is_no_change_and_of_nought_is_one():
    assert settings_for("robust", batch=None, epochs=None) == PRESETS["robust"]
    assert settings_for("robust", device_dropout=0.0).device_dropout == 0
