"""A sources file is as strict as a topology, and shows no password."""

from pathlib import Path

import pytest
from builders import star_topology

from ddnn.errors import ConfigError
from ddnn.live.sources.file import read_sources
from ddnn.live.sources.secrets import filled_in, shown

STAR = star_topology(2)
PUSH = "{kind: push, listen: '127.0.0.1:9100'}"
WRONG = {
    "unknown device": (f"cam0: {PUSH}\n  cam7: {PUSH}", "devices.cam7: topology star has no such"),
    "missing device": (f"cam0: {PUSH}", "devices: no cam1, want a source for each of cam0, cam1"),
    "unknown kind": (f"cam0: {PUSH}\n  cam1: {{kind: radar}}", "kind is radar, want one of video"),
    "unknown key": (f"cam0: {PUSH}\n  cam1: {{kind: recorded, fps: 3}}", "fps"),
    "no such folder": (f"cam0: {PUSH}\n  cam1: {{kind: folder, path: nowhere}}", "no such folder"),
    "no such film": (f"cam0: {PUSH}\n  cam1: {{kind: video, url: a.mp4}}", "no such file"),
    "open to all": (
        f"cam0: {PUSH}\n  cam1: {{kind: push, listen: '0.0.0.0:9101'}}",
        "want a loopback address",
    ),
    "no port": (f"cam0: {PUSH}\n  cam1: {{kind: push, listen: here}}", "want HOST:PORT"),
    "odd crop": (
        f"cam0: {PUSH}\n  cam1: {{kind: push, listen: '127.0.0.1:9101', crop: [0, 0, 0, 4]}}",
        "devices.cam1.crop",
    ),
    "no such secret": (
        f"cam0: {PUSH}\n  cam1: {{kind: video, url: 'rtsp://me:${{DDNN_NONE}}@cam/1'}}",
        "${DDNN_NONE}: not in the environment",
    ),
}


def written(folder: Path, devices: str, head: str = "") -> Path:
    path = folder / "cameras.yaml"
    path.write_text(f"{head}\ndevices:\n  {devices}\n")
    return path


@pytest.mark.parametrize(("devices", "wanted"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_in_one_line(tmp_path, devices, wanted):
    path = written(tmp_path, devices)
    with pytest.raises(ConfigError) as caught:
        read_sources(path, STAR, STAR.devices)
    assert wanted in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_events_come_of_devices_that_can_tell_them(tmp_path):
    devices = f"cam0: {PUSH}\n  cam1: {{kind: recorded}}"
    for name, wanted in (("cam1", "which no event tells of"), ("cam9", "no device named 'cam9'")):
        path = written(tmp_path, devices, f"sample: {{events_of: [{name}]}}")
        with pytest.raises(ConfigError, match=wanted):
            read_sources(path, STAR, STAR.devices)
    path = written(tmp_path, devices, "sample: {events_of: [cam0], every_ms: 500}")
    assert read_sources(path, STAR, STAR.devices).sample.events_of == ("cam0",)


def test_a_password_is_refused_and_not_shown(tmp_path):
    path = written(tmp_path, "cam0: {kind: video, url: 'rtsp://me:hunter2@cam/1'}")
    with pytest.raises(ConfigError) as caught:
        read_sources(path, STAR, STAR.devices)
    assert "want ${NAME} in its place" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_comes_from_the_environment_or_a_file_that_nobody_else_reads(
    tmp_path, monkeypatch
):
    secrets = tmp_path / "secrets"
    secrets.write_text("# of cameras\nCAM_A=a/b@c\n")
    secrets.chmod(0o600)
    monkeypatch.setenv("CAM_B", "two words")
    url = "rtsp://me:${CAM_A}@cam/${CAM_B}"
    assert filled_in(url, secrets) == "rtsp://me:a%2Fb%40c@cam/two%20words"
    for mode in ("0644", "0640", "0604"):
        secrets.chmod(int(mode, 8))
        with pytest.raises(ConfigError, match=f"of mode {mode}, want 0600"):
            filled_in(url, secrets)


def test_an_address_is_shown_without_who_asks_and_what_for():
    assert shown("rtsp://me:pw@cam:554/live?token=1") == "rtsp://cam:554/live"
