"""Another bundle takes over in a live system."""

import threading
from functools import partial

import pytest
from builders import patient, star_topology
from networks import Trainer
from serving import Running, push, pushed, pushing, recorded
from waiting import node_processes, wait_until

from ddnn.errors import BundleError, ConfigError, LaunchError
from ddnn.live.files import ServeFiles
from ddnn.live.service import Service
from ddnn.run.launcher.launch import Options, Watcher

pytestmark = pytest.mark.process
SAMPLES = 60


def test_another_bundle_takes_over_without_a_gap(train: Trainer, tmp_path):
    """At one sample; cameras that are pushed to go on too."""
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, ports = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 30000")
    for sink in (None, ServeFiles(tmp_path / "out")):
        service = Service(one.bundle, live, Options(free_ports=True), Watcher(), sink=sink)
        with Running(service) as running:
            view_CHW = one.samples.views_NVCHW[0, 0]
            for name, port in ports.items():
                push(port, name, view_CHW)
            running.until(lambda r: len(r.verdicts) > 20)
            first = service.swap(other.bundle.folder)
            assert node_processes(other.bundle.folder)
            wait_until(lambda: node_processes(one.bundle.folder) == [])
            for name, port in ports.items():
                wait_until(partial(pushed, port, name, view_CHW))
            running.until(lambda r, f=first: sum(v["sample"] >= f for v in r.verdicts) > 20)
        running.assert_none_is_lost()
        begun = [e["bundle_sha256"] for e in running.others if e["kind"] == "begin"]
        assert begun == [one.bundle.sha256, other.bundle.sha256]
        assert sum(e["kind"] == "end" for e in running.others) == 1
    assert (tmp_path / "out" / f"until-{first}" / "report.json").exists()
    assert (tmp_path / "out" / "report.json").exists()


def test_a_bundle_whose_nodes_cannot_start_changes_nothing(train: Trainer, tmp_path):
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    gone = tmp_path / "gone.bin"
    live, _ = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 5")
    service = Service(one.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        section = other.bundle.section_path("cam1")
        section.rename(gone)
        with pytest.raises(BundleError):
            service.swap(other.bundle.folder)
        gone.rename(section)
        live.path.unlink()  # new devices cannot start
        with pytest.raises(LaunchError, match=r"did not start: .*sources\.yaml"):
            service.swap(other.bundle.folder)
        count = len(running.verdicts)
        running.until(lambda r: len(r.verdicts) > count + 20)
    running.assert_none_is_lost()
    assert node_processes(other.bundle.folder) == []


def test_who_stops_the_system_waits_for_no_other_bundle(train: Trainer, tmp_path):
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, _ = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 5")
    said: list[str] = []
    service: Service

    def say(line: str) -> None:
        said.append(line)
        if "start beside" in line:
            service.stop()

    service = Service(one.bundle, live, Options(free_ports=True), Watcher(say=say))
    with Running(service) as running:
        running.until(lambda r: len(r.verdicts) > 5)
        with pytest.raises(LaunchError, match="is being stopped"):
            service.swap(other.bundle.folder)
    running.assert_none_is_lost()
    assert not any("answers from sample" in line for line in said)
    assert node_processes(other.bundle.folder) == []


def test_others_are_served_while_another_bundle_gets_ready(train: Trainer, tmp_path):
    """Only a second bundle is refused meanwhile."""
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, _ = pushing(topology, tmp_path, "match_ms: 5")
    told: list[str] = []
    service = Service(one.bundle, live, Options(free_ports=True), Watcher(say=told.append))
    has_swapped = threading.Event()

    def ask() -> None:
        while not has_swapped.is_set():
            try:
                told.append(f"sample {service.sample()}")
                service.swap(other.bundle.folder)
            except (ConfigError, LaunchError) as error:
                told.append(str(error))

    with Running(service) as running:
        asking = threading.Thread(target=ask)
        swapping = threading.Thread(target=service.swap, args=(other.bundle.folder,))
        swapping.start()
        wait_until(lambda: any("start beside" in line for line in told))
        asking.start()
        swapping.join(60)
        has_swapped.set()
        asking.join(60)
    begin, end = (
        next(n for n, line in enumerate(told) if words in line)
        for words in ("start beside", "answers from sample")
    )
    meanwhile = told[begin:end]
    assert any(line.startswith("sample ") for line in meanwhile)
    assert "another bundle is taking over just now, want that first" in meanwhile
    running.assert_none_is_lost()


def test_other_devices_are_refused(train: Trainer, tmp_path):
    one, other = (train(patient(star_topology(n)), SAMPLES) for n in (2, 3))
    live = recorded(one, tmp_path, "{every_ms: 5}")
    service = Service(one.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        with pytest.raises(ConfigError, match="--swap: devices are"):
            service.swap(other.bundle.folder)
        running.until(lambda r: len(r.verdicts) > 5)
