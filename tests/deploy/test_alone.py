"""One command changes a deployment at a time, and ends what it has begun when it is interrupted."""

import asyncio
import os
import signal

import pytest

from ddnn.deploy.alone import alone, run_interruptible, to_its_end
from ddnn.errors import ConfigError, DeployError, InterruptError


def test_of_two_who_change_one_deployment_at_once_the_second_is_refused(tmp_path):
    folder = tmp_path / "two"
    with alone(folder), pytest.raises(ConfigError, match=r"two: another `ddnn deploy` changes it"):
        alone(folder).__enter__()
    with alone(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


async def interrupted_in(step):
    os.kill(os.getpid(), signal.SIGTERM)
    return await step


def test_what_is_interrupted_may_undo_what_it_began():
    undone = []

    async def step():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # as another step on the hosts
            undone.append("all")
            raise

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(InterruptError, match=r"^interrupted; nothing is changed$") as raised:
        run_interruptible(interrupted_in(step()))
    assert (undone, raised.value.exit_code) == (["all"], 143)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_step_that_goes_on_elsewhere_is_waited_for_and_the_interrupt_told():
    async def step():
        gate = asyncio.Event()
        asyncio.get_running_loop().call_later(0, gate.set)
        await gate.wait()
        return ["done"]

    async def rolled_out():
        *done, interrupt = await to_its_end(step())
        assert done == ["done"]
        raise DeployError(f"{interrupt}; nothing is changed")

    with pytest.raises(InterruptError, match=r"^interrupted; nothing is changed$"):
        run_interruptible(interrupted_in(rolled_out()))


def test_a_second_signal_does_not_wait():
    async def hang(interrupted: asyncio.Task):
        while not interrupted.cancelling():
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # which it is told now
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    async def step():
        await to_its_end(hang(asyncio.current_task()))

    with pytest.raises(InterruptError, match=r"^interrupted twice: some hosts may be changed"):
        run_interruptible(interrupted_in(step()))
