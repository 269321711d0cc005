"""How a step gets to a host: over ssh, or to this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ddnn.deploy.hostsfile import Host
from ddnn.deploy.tail import BEAT_S
from ddnn.errors import ConfigError, DeployError

if TYPE_CHECKING:
    import asyncssh

CONNECT_S = 20.0
"""How long a host may take to let us in."""
CLOSE_S = 5.0
"""How long its end of a connection may take to close."""
LIMITS_S: Mapping[str, float] = {
    "look": 30, "receive": 60, "drop": 60, "prune": 60, "logs": 30, "follow": 30,
    "switch": 240, "go_back": 240, "start": 150, "stop": 90,
}  # fmt: skip
"""How long a step may take, by name: what it may rightly take there, and as long again. `follow`:
until its first lines."""
SLOWEST_BYTES_S = 100_000
"""What is sent takes a second more for so many bytes."""
MODULE = "ddnn.deploy.on_host"
MAX_SAID = 300
"""Letters of what a host said, in an error."""


T = TypeVar("T")


class Reach(Protocol):
    """A host of a deployment."""

    name: str

    async def ask(self, step: str, content: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """Does a step there (see `on_host`); content: a file for its standard input.

        Raises DeployError, one line that names the host.
        """

    async def follow(self, lines: int, take: Callable[[list[str]], None]) -> None:
        """Gives `take` the newest lines that were said there, then each that is added.

        Raises DeployError, one line that names the host, once that is over.
        """


class Here:
    """This machine, as the collector's host: its versions are in a folder here."""

    def __init__(self, name: str, folder: Path, limits_s: Mapping[str, float] = LIMITS_S) -> None:
        self.name, self._limits_s = name, limits_s
        self._place = {"folder": str(folder), "service": "none", "unit": ""}

    async def ask(self, step: str, content: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """In a process of its own, as on other hosts."""
        asked = json.dumps(self._place | {"step": step} | arguments)
        with (content or Path("/dev/null")).open("rb") as source:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", MODULE, asked),
                stdin=source,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is ours to follow
            )
            limit_s = _limit_s(self._limits_s, step, content)
            try:
                said, errors = await _within(limit_s, self.name, step, process.communicate())
            finally:
                await _end(process)
        return _answer(self.name, said, errors)

    async def follow(self, lines: int, take: Callable[[list[str]], None]) -> None:
        """Runs are started by hand here, and say so themselves."""
        raise DeployError(f"host {self.name}: nothing is kept running here")


class OverSsh:
    """A host whose sshd has let us in."""

    def __init__(
        self,
        name: str,
        host: Host,
        connection: asyncssh.SSHClientConnection,
        *,
        unit: str,
        has_collector: bool,
        limits_s: Mapping[str, float] = LIMITS_S,
    ) -> None:
        """unit: of systemd. has_collector: nothing is kept running there. limits_s: of steps."""
        self._limits_s = limits_s
        self.name, self._python, self._connection = name, host.python, connection
        service = "none" if has_collector else host.service
        self._place = {"folder": host.folder, "service": service, "unit": unit}

    async def ask(self, step: str, content: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """One command over the connection."""
        import asyncssh  # noqa: PLC0415  # of the extra

        try:
            source = asyncssh.DEVNULL if content is None else str(content)
            doing = self._connection.run(
                self._command(step, arguments), stdin=source, encoding=None
            )
            limit_s = _limit_s(self._limits_s, step, content)
            done = await _within(limit_s, self.name, step, doing)
        except (OSError, asyncssh.Error) as error:
            raise DeployError(f"host {self.name}: the connection broke, {error}") from error
        if done.exit_status is None:
            raise DeployError(f"host {self.name}: the connection broke")
        return self._answer(_bytes(done.stdout), _bytes(done.stderr))

    async def follow(self, lines: int, take: Callable[[list[str]], None]) -> None:
        """One command that goes on; it ends there when the connection does, or is silent."""
        import asyncssh  # noqa: PLC0415  # of the extra

        command = self._command("follow", {"lines": lines})
        try:
            async with self._connection.create_process(command, encoding=None) as process:
                beating = asyncio.create_task(_beat(process.stdin))
                limit_s = self._limits_s["follow"]
                try:
                    line = await _within(limit_s, self.name, "follow", process.stdout.readline())
                    while line:
                        take(self._answer(line, b"")["lines"])
                        line = await process.stdout.readline()
                    errors = await process.stderr.read()
                except DeployError:
                    self._connection.abort()  # else its end is waited for
                    raise
                finally:
                    beating.cancel()
        except (OSError, asyncssh.Error) as error:
            raise DeployError(f"host {self.name}: the connection broke, {error}") from error
        if errors:
            self._answer(b"", errors)
        raise DeployError(f"host {self.name}: the connection broke")

    def _command(self, step: str, arguments: dict[str, Any]) -> str:
        asked = json.dumps(self._place | {"step": step} | arguments)
        return shlex.join([self._python, "-m", MODULE, asked])

    def _answer(self, said: bytes, errors: bytes) -> dict[str, Any]:
        if b"No module named" in errors:
            raise DeployError(
                f"host {self.name}: {self._python} has no ddnn of this version, want it there "
                "(`pip install .` in a checkout), or `python:` in the hosts file"
            )
        return _answer(self.name, said, errors)


def _limit_s(limits_s: Mapping[str, float], step: str, content: Path | None) -> float:
    size = 0 if content is None else content.stat().st_size
    return limits_s[step] + size / SLOWEST_BYTES_S


async def _within(limit_s: float, name: str, step: str, doing: Coroutine[Any, Any, T]) -> T:
    """What it gives. Raises DeployError, which names host, step and seconds, where it hangs."""
    try:
        return await asyncio.wait_for(doing, limit_s)
    except TimeoutError as error:
        raise DeployError(
            f"host {name}: {step} has not ended after {limit_s:.0f} s, given up; what hangs there?"
        ) from error


async def _beat(listener: asyncssh.SSHWriter[bytes]) -> None:
    """Says now and then that somebody listens."""
    while True:
        await asyncio.sleep(BEAT_S)
        listener.write(b"\n")


def _bytes(output: bytes | str | None) -> bytes:
    return output.encode() if isinstance(output, str) else output or b""


def _answer(name: str, said: bytes, errors: bytes) -> dict[str, Any]:
    """What the host answered. Raises DeployError where it refused, or broke."""
    try:
        answer = dict(json.loads(said))
    except (ValueError, TypeError):
        lines = (errors or said).decode(errors="replace").strip().splitlines()
        last = lines[-1][:MAX_SAID] if lines else "nothing was said"
        raise DeployError(f"host {name}: {last}") from None
    if "error" in answer:
        raise DeployError(f"host {name}: {str(answer['error'])[:MAX_SAID]}")
    return answer


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        with contextlib.suppress(TimeoutError):  # what waits for a dead disk ends with it
            await asyncio.wait_for(process.wait(), CLOSE_S)


async def close(connection: asyncssh.SSHClientConnection) -> None:
    """Also where the other end does not take part."""
    connection.close()
    try:
        await asyncio.wait_for(connection.wait_closed(), CLOSE_S)
    except TimeoutError:
        connection.abort()


async def connect(
    name: str, host: Host, limit_s: float = CONNECT_S
) -> asyncssh.SSHClientConnection:
    """limit_s: how long it may take.

    Raises DeployError, one line that names the host, where it does not let us in, or has another
    key than the known one; ConfigError without asyncssh."""
    try:
        import asyncssh  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise ConfigError(
            "deploy ssh: asyncssh is not installed, want the extra `ssh`: pip install '.[ssh]' in "
            "a checkout of ddnn"
        ) from error
    place = f"host {name} ({host.address}:{host.port})"
    remedy = f"compare its key there and add it (ssh-keyscan -p {host.port} {host.address})"
    if not Path(host.known_hosts).is_file():
        raise DeployError(f"{place}: its key is not known, no {host.known_hosts}; {remedy}")
    options: dict[str, Any] = {"known_hosts": host.known_hosts}
    if host.user is not None:
        options["username"] = host.user
    if host.key is not None:
        options["client_keys"] = [host.key]
    try:
        connecting = asyncssh.connect(
            host.address, host.port, connect_timeout=limit_s / 2, keepalive_interval=10, **options
        )
        return await asyncio.wait_for(connecting, limit_s)
    except asyncssh.HostKeyNotVerifiable as error:
        raise DeployError(f"{place}: {error.reason} by {host.known_hosts}; {remedy}") from error
    except asyncssh.PermissionDenied as error:
        raise DeployError(
            f"{place}: does not let {host.user or 'you'} in: {error.reason}"
        ) from error
    except TimeoutError as error:
        raise DeployError(f"{place}: says nothing, given up after {limit_s:.0f} s") from error
    except (OSError, ValueError, asyncssh.Error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DeployError(f"{place}: cannot be reached, {said}") from error
