# %% [markdown]
# # A byte budget
# A sample that the gateway is sure of costs 12 bytes a camera. One that goes on to the cloud costs 128
# more. The threshold decides how many do. How accurate can we be with so many bytes?

# %%
import matplotlib.pyplot as plt

import ddnn

run = ddnn.train("six-cameras", data="rendered", out="budget", epochs=6, overwrite=True)

# %% [markdown]
# `calibrate` chooses temperatures and thresholds from validation samples, here the best accuracy that
# a budget allows; `evaluate` then says what that gives on test samples.

# %%
points = []
for budget in (13, 16, 24, 40, 70, 140):
    ddnn.calibrate(run, payload_bytes=budget)
    found = ddnn.evaluate("budget")
    points.append((found.payload_bytes, 100 * found.accuracy))
    print(
        f"at most {budget} bytes: {found.payload_bytes:.1f} used, accuracy {found.accuracy:.1%}, "
        f"{found.shares['local']:.0%} answered at the gateway"
    )

# %%
figure, axes = plt.subplots()
axes.plot(*zip(*sorted(points), strict=True), marker="o")
axes.set(xlabel="payload bytes a device and sample", ylabel="accuracy, %")
figure.savefig("byte-budget.png")

# %% [markdown]
# The count is not an estimate: a launch counts what travels, and finds the same.

# %%
found = ddnn.evaluate("budget")
launched = ddnn.launch("budget")
print(
    f"{found.payload_bytes:.1f} by the equation, {launched.payload_bytes:.1f} counted on the wire"
)
