# %% [markdown]
# # Your own network
# Any `torch.nn.Module` can be a block of a section. Training imports it; a device does not.

# %%
from pathlib import Path

import ddnn

# %% [markdown]
# The module is a file that can be imported: here it lies beside the notebook. The annotation
# `-> nn.Module` says that the function makes one.

# %%
Path("my_nets.py").write_text('''
from torch import nn


def backbone(width: int) -> nn.Module:
    """Depthwise and pointwise convolutions: 3 x 32 x 32 -> width x 8 x 8."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.Hardswish(),
        nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width, bias=False), nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 1), nn.Hardswish(),
    )
''')

# %% [markdown]
# A topology that says so: the device's section is the module, whose maps travel with 2 bits a value.
# The rest is that of the shipped topology.

# %%
document = ddnn.read_topology("six-cameras").model_dump(mode="json")
backbone = {"kind": "module", "factory": "my_nets:backbone", "args": {"width": 6}}
document["tiers"][0]["section"] = {"blocks": [backbone], "feature_bits": 2}
topology = ddnn.Topology.model_validate(document)

run = ddnn.train(topology, data="rendered", out="own", epochs=6, overwrite=True)
print(run.topology.feature_shape("cam0"), run.topology.feature_bytes("cam0"), "bytes a sample")
print(f"concat: {ddnn.evaluate(run).accuracy:.1%}")

# %% [markdown]
# It launches as any other: the bundle holds ONNX graphs, and equality with torch was measured.

# %%
launched = ddnn.launch(run)
equal = (launched.to_pandas()["predicted"] == ddnn.evaluate(run).to_pandas()["predicted"]).mean()
print(f"launched: {launched.accuracy:.1%}, {equal:.1%} of the verdicts are torch's")

# %% [markdown]
# Fusion that learns whom to listen to, in place of concat.

# %%
document["tiers"][0]["exit"]["aggregator"] = "attention"
document["tiers"][1]["aggregator"] = "attention"
attentive = ddnn.train(
    ddnn.Topology.model_validate(document),
    data="rendered",
    out="attentive",
    epochs=6,
    overwrite=True,
)
for name, each in (("concat", run), ("attention", attentive)):
    lost = ddnn.failures(each).lost
    print(name, {count: f"{of['mean']:.1%}" for count, of in lost.items()})
