# %% [markdown]
# # A fault study
# What does the loss of cameras cost, and does training for it pay? Then: does the system keep its
# promises while everything fails?

# %%
import matplotlib.pyplot as plt

import ddnn

plain = ddnn.train(
    "six-cameras", data="rendered", out="plain", epochs=6, device_dropout=0.0, overwrite=True
)
robust = ddnn.train("six-cameras", data="rendered", out="robust", epochs=6, overwrite=True)

# %% [markdown]
# Every set of lost cameras, 63 of them, for both.

# %%
figure, axes = plt.subplots()
for name, run in (
    ("no camera dropped in training", plain),
    ("cameras dropped in training", robust),
):
    lost = ddnn.failures(run).lost
    axes.plot(list(lost), [100 * of["mean"] for of in lost.values()], label=name)
axes.set(xlabel="cameras lost", ylabel="accuracy, mean of all sets, %")
axes.legend()
figure.savefig("fault-study.png")

# %% [markdown]
# The same nodes in virtual time: 2,000 samples while nodes die, hang, lose messages and come
# back, more and more often. Every event is checked: no sample is lost, answered twice, or attributed to
# another, and each verdict is that of the network masked by who took part.

# %%
for storm_per_s in (0, 2, 10, 50):
    found = ddnn.simulate(robust, samples=2000, storm_per_s=storm_per_s, seed=1, latency_ms=2)
    assert found.broken is None
    print(
        f"{storm_per_s} failures a second: accuracy {found.accuracy:.1%}, {found.degraded} degraded"
    )

# %% [markdown]
# And one failure looked at closely: the cloud away for 300 samples. The gateway answers alone.

# %%
found = ddnn.simulate(robust, samples=1000, kill={"cloud": 300}, recover={"cloud": 600})
rows = found.to_pandas()
print(rows.groupby(rows.index // 100)["degraded"].sum().to_dict())
