# %% [markdown]
# # Your own sensors
# Two motion sensors and a microphone: views of different sizes and types, windows along a row, and
# what each is worth.

# %%
from pathlib import Path

import numpy as np

import ddnn

# %% [markdown]
# Made-up recordings: rest, walk and run differ in how fast the motion is and how loud the steps are. Each
# window has a hip and a wrist sensor, 3 axes of 64 readings, and a spectrogram of 8 x 16.

# %%
random = np.random.default_rng(0)
labels = random.integers(0, 3, 600)
time = np.arange(64) / 50
speed = np.array([0.0, 2.0, 4.0])[labels, None, None] * (1 + 0.1 * random.normal(size=(600, 1, 1)))
phase = random.uniform(0, 2 * np.pi, (600, 3, 1))
motion = np.sin(2 * np.pi * speed * time + phase)
hip = motion + 0.8 * random.normal(size=(600, 3, 64))
wrist = 0.5 * motion + 0.8 * random.normal(size=(600, 3, 64))
sound = random.normal(size=(600, 1, 8, 16)) + 0.4 * labels[:, None, None, None]
np.savez(
    "body.npz",
    hip=hip.astype(np.float32),
    wrist=wrist.astype(np.float32),
    sound=sound.astype(np.float32),
    y=labels,
)
Path("body.yaml").write_text("""
kind: npz
path: body.npz
classes: [rest, walk, run]
arrays: {hip: hip, wrist: wrist, mic: sound}
split: {by: sample, validation: 0.2, test: 0.2}
""")

# %% [markdown]
# Each device says what it sees. A convolution runs along a row (`kernel: [1, 9]`), `concat` joins maps of
# different sizes, and the cloud begins with a fully connected block.

# %%
Path("body-network.yaml").write_text("""
name: body
classes: [rest, walk, run]
tiers:
  - name: device
    section:
      activation_bits: 1
      blocks: [{kind: convp, filters: 6, kernel: [1, 9], pool: [1, 3], pool_stride: 1}]
    exit: {at: hub, aggregator: average, threshold: 0.5}
  - name: cloud
    aggregator: concat
    section: {blocks: [{kind: fc, units: 32}]}
    exit: {at: cloud}
collector: {endpoint: "tcp://127.0.0.1:6700"}
nodes:
  hip: {role: device, view: {channels: 3, length: 64}, parent: cloud, endpoint: "tcp://127.0.0.1:6701"}
  wrist: {role: device, view: {channels: 3, length: 64}, parent: cloud, endpoint: "tcp://127.0.0.1:6702"}
  mic:
    role: device
    view: {channels: 1, height: 8, width: 16, type: float32}
    parent: cloud
    endpoint: "tcp://127.0.0.1:6703"
  hub: {role: gateway, endpoint: "tcp://127.0.0.1:6704"}
  cloud: {role: cloud, endpoint: "tcp://127.0.0.1:6705"}
""")
run = ddnn.train("body-network.yaml", data="body.yaml", out="body", epochs=15, overwrite=True)
for name in run.topology.devices:
    print(name, run.topology.feature_shape(name), run.topology.feature_bytes(name), "bytes")

# %% [markdown]
# What is each sensor worth? Every set of lost ones, and a real one killed.

# %%
print(ddnn.failures(run).to_pandas())
launched = ddnn.launch(run, kill={"hip": 60})
print(f"hip lost at sample 60 of {launched.samples}: accuracy {launched.accuracy:.1%}")
