# %% [markdown]
# # First steps
# Six cameras look at one object. We train one network for all of them, try it, run it as real
# processes, kill a camera while it runs, and plot what is left.

# %%
import matplotlib.pyplot as plt

import ddnn

run = ddnn.train("six-cameras", data="rendered", out="six", epochs=6, overwrite=True)

# %% [markdown]
# `evaluate` tries every exit on the test samples. The overall rule answers at the gateway when that is
# sure, and asks the cloud otherwise.

# %%
found = ddnn.evaluate(run)
print(f"accuracy {found.accuracy:.1%}, each exit alone {found.exit_accuracies}")
print(f"answered at each exit {found.shares}, {found.payload_bytes:.1f} bytes a device and sample")

# %% [markdown]
# The same network as eight processes on this machine. `cam5` is killed before sample 100.

# %%
launched = ddnn.launch(run, kill={"cam5": 100})
print(f"accuracy {launched.accuracy:.1%}, {launched.degraded} samples degraded")
rows = launched.to_pandas()
print("cam5 took part in", (rows["present"].str[5] == "1").sum(), "of", len(rows), "samples")

# %% [markdown]
# And with every set of cameras lost, offline.

# %%
lost = ddnn.failures(run).lost
figure, axes = plt.subplots()
axes.plot(list(lost), [100 * of["mean"] for of in lost.values()], label="mean of all sets")
axes.plot(list(lost), [100 * of["worst"] for of in lost.values()], label="worst set")
axes.set(xlabel="cameras lost", ylabel="accuracy, %")
axes.legend()
figure.savefig("first-steps.png")
