"""Hosts that hang: a step that never ends, a peer that accepts and says nothing. Real peers on
loopback; each is one line that names host, step and seconds."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ddnn.deploy.hostsfile import Host
from ddnn.deploy.reach import LIMITS_S, Here, OverSsh, close, connect
from ddnn.errors import DeployError

asyncssh = pytest.importorskip("asyncssh", reason="needs asyncssh")
NO_TIME = dict.fromkeys(LIMITS_S, 0.2)
Use = Callable[[OverSsh], Awaitable[Any]]


async def hangs(process: Any) -> None:
    """Takes the command, says nothing, and does not end while it is connected."""
    await process.stdin.read()
    await asyncio.Event().wait()


def over_ssh(folder: Path, use: Use) -> None:
    """Lets `use` ask an sshd on which every command hangs."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    (folder / "authorized").write_bytes(key.export_public_key())

    async def go() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            authorized_client_keys=str(folder / "authorized"),
            process_factory=hangs,
        )
        port = server.get_port()
        known = f"[127.0.0.1]:{port} {key.export_public_key().decode()}"
        (folder / "known_hosts").write_text(known)
        host = Host(
            address="127.0.0.1",
            port=port,
            user="me",
            key=str(folder / "key"),
            known_hosts=str(folder / "known_hosts"),
        )
        connection = await connect("far", host)
        try:
            await use(
                OverSsh("far", host, connection, unit="", has_collector=False, limits_s=NO_TIME)
            )
        finally:
            await close(connection)
            server.close()

    asyncio.run(go())


@pytest.mark.parametrize("step", ["look", "start", "switch"])
def test_a_step_that_hangs_on_a_host_is_given_up(tmp_path, step):
    said = f"^host far: {step} has not ended after 0 s, given up; what hangs there\\?$"
    with pytest.raises(DeployError, match=said):
        over_ssh(tmp_path, lambda host: host.ask(step))


def test_a_host_that_tells_no_line_is_not_followed_for_ever(tmp_path):
    with pytest.raises(DeployError, match=r"^host far: follow has not ended after 0 s"):
        over_ssh(tmp_path, lambda host: host.follow(10, lambda _lines: None))


def test_a_step_that_hangs_on_this_machine_is_given_up_and_ended(tmp_path):
    """As on a dead disk: nobody ever writes to the fifo that it reads."""
    version = tmp_path / "versions" / "0001"
    version.mkdir(parents=True)
    (tmp_path / "current").symlink_to(version)
    os.mkfifo(version / "version.json")
    with pytest.raises(DeployError, match=r"^host site: look has not ended after 1 s, given up"):
        asyncio.run(Here("site", tmp_path, {"look": 1.0}).ask("look"))


@pytest.mark.skipif(sys.platform != "linux", reason="the list of children is Linux's")
def test_a_step_on_this_machine_does_not_get_the_terminals_interrupt(tmp_path):
    """Else it would break off in the middle, where what was begun is undone."""
    version = tmp_path / "versions" / "0001"
    version.mkdir(parents=True)
    (tmp_path / "current").symlink_to(version)
    os.mkfifo(version / "version.json")  # on which it hangs
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())

    async def group_of_step() -> int:
        asking = asyncio.create_task(Here("site", tmp_path).ask("look"))
        while not (new := set(children.read_text().split()) - before):
            await asyncio.sleep(0)
        group = os.getpgid(int(new.pop()))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return group

    assert asyncio.run(group_of_step()) != os.getpgrp()


def test_a_version_may_take_the_longer_the_larger_it_is(tmp_path):
    """Its bytes do not count as time in which nothing happens."""
    content = tmp_path / "north.tar"
    with content.open("wb") as file:
        file.truncate(100_000_000)
    (tmp_path / "versions").write_text("in the way")
    here = Here("site", tmp_path, {"receive": 0.0})  # and 1,000 s for its bytes
    with pytest.raises(DeployError, match=r"^host site: .*versions"):
        asyncio.run(here.ask("receive", content, name="0001", files=1))


def test_a_peer_that_accepts_and_says_nothing_is_given_up(tmp_path):
    (tmp_path / "known_hosts").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        host = Host(address="127.0.0.1", port=port, known_hosts=str(tmp_path / "known_hosts"))
        said = rf"^host far \(127.0.0.1:{port}\): .*after 1 s$"
        with pytest.raises(DeployError, match=said):
            asyncio.run(connect("far", host, 1.0))
