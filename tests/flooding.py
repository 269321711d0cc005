"""Plays a site that floods its cloud: `python tests/flooding.py BUNDLE [MESSAGES]`.

Says `joined`, then sends rows of features as fast as they are taken, sealed as those of its cam0,
until it is killed, or has sent so many messages: then it says what its cloud counted.
"""

import json
import math
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np

from ddnn.bundle.load import load_bundle
from ddnn.run.launcher.start import Options, collector_mailbox
from ddnn.run.sockets import open_sockets
from ddnn.wire.codec import Codec
from ddnn.wire.messages import MAX_ROWS, Account, Features, Heartbeat, Roll, Stop
from ddnn.wire.transport import Mailbox

BOOT = 77
HEARTBEAT_S = 0.1


def main(folder: Path, most: float) -> None:
    bundle = load_bundle(folder)
    with collector_mailbox(bundle, Options()) as collector:
        while not any(isinstance(m, Heartbeat) for _, m in collector.receive(HEARTBEAT_S)):
            collector.send("cloud", Roll(collector.run))
        codec = Codec(bundle.topology, bundle.session, bundle.tables)
        sockets = open_sockets("cam0", bundle.topology, codec, keys=None, insecure=False)
        camera = Mailbox("cam0", codec, sockets, boot=BOOT)
        camera.join(collector.run)
        while not camera.send("cloud", Heartbeat(0, BOOT)):
            sockets._news.poll(100)  # milliseconds, or until something has become of a connection
            sockets._look_after()
        say("joined")
        features_NFHW = np.ones((MAX_ROWS, *bundle.topology.feature_shape("cam0")), np.float32)
        flood(collector, camera, features_NFHW, most)
        say(json.dumps(counted(collector)))


def flood(
    collector: Mailbox, camera: Mailbox, features_NFHW: np.ndarray, most: float = math.inf
) -> None:
    beat_s = 0.0
    for number in count():
        samples = range(number * MAX_ROWS, (number + 1) * MAX_ROWS)
        while not camera.send("cloud", Features(samples, [1] * MAX_ROWS, features_NFHW)):
            camera.receive(0.001)
        if number >= most:
            return
        if time.monotonic() > beat_s:
            beat_s = time.monotonic() + HEARTBEAT_S
            collector.receive(0)
            collector.send("cloud", Heartbeat(boot=collector.run))


def counted(collector: Mailbox) -> dict[str, int]:
    """What the cloud counted beside traffic."""
    collector.send("cloud", Stop())
    while True:
        for _, message in collector.receive(HEARTBEAT_S):
            if isinstance(message, Account):
                return dict(message.events)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else math.inf)
