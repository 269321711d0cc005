"""Where all goes that comes of a live system: verdicts, a page, the report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from ddnn.bundle.load import Bundle
from ddnn.errors import ConfigError
from ddnn.live.endpoint import Endpoint
from ddnn.live.files import ServeFiles
from ddnn.live.mqtt import MqttVerdicts, check_url
from ddnn.live.output import Output, RotatedFile, StandardOutput, VerdictLines
from ddnn.live.page.beside import page_beside
from ddnn.live.page.options import PageOptions, page_options
from ddnn.live.service import Service
from ddnn.live.sources.file import local_address
from ddnn.report.files import check_writable
from ddnn.run.launcher.start import Watcher
from ddnn.runfolder import is_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinks:
    """What `ddnn.serve` writes, and whom it answers; each of them None: not there.

    verdicts: a file for them, `-` for standard output. rotate_mb, keep: the file begins anew at so
    many megabytes, and so many older ones are kept. listen: HOST:PORT for programs on this
    machine. mqtt: URL of a broker's topic. page: HOST:PORT of the page. out: folder of the report.
    """

    verdicts: str | Path | None = None
    rotate_mb: float = 100
    keep: int = 10
    listen: str | None = None
    mqtt: str | None = None
    page: PageOptions | str | None = None
    out: str | Path | None = None

    def checked(self, run: Path) -> CheckedSinks:
        """Those that can be had. run: the folder of the run.

        Raises ConfigError for an address that makes no sense, or a folder that holds a run;
        DdnnError for a file or folder that cannot be written.
        """
        if self.mqtt is not None:
            check_url(self.mqtt)
        return CheckedSinks(
            run=run,
            files=None if self.out is None else _files(Path(self.out)),
            output=None if self.verdicts is None else self._output(self.verdicts),
            listen=None if self.listen is None else local_address("listen", self.listen),
            mqtt=self.mqtt,
            page=page_options(self.page) if isinstance(self.page, str) else self.page,
        )

    def _output(self, verdicts: str | Path) -> Output:
        """Raises DdnnError for a file that cannot be written."""
        if str(verdicts) == "-":
            return StandardOutput()
        return RotatedFile(Path(verdicts), max_bytes=int(self.rotate_mb * 1e6), keep=self.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSinks:
    """See Sinks. files: of the report."""

    run: Path
    files: ServeFiles | None
    output: Output | None
    listen: str | None
    mqtt: str | None
    page: PageOptions | None

    @property
    def shows_views(self) -> bool:
        """Whether the page shows what devices see."""
        return self.page is not None and self.page.show_views

    def beside(self, bundle: Bundle, watcher: Watcher) -> AbstractContextManager[Watcher]:
        """The page beside what the watcher watches; it is given a feed."""
        folder = self.run if self.files is None else self.files.folder
        return page_beside(self.page, watcher, self.run, bundle, total=None, out=folder)

    def connect(self, service: Service, stack: ExitStack, say: Callable[[str], None]) -> None:
        """Begins the service in the stack, with all that takes its verdicts."""
        endpoint = None if self.listen is None else Endpoint(self.listen, service)
        if endpoint is not None:
            stack.callback(endpoint.server_close)
        stack.enter_context(service)
        if endpoint is not None:
            stack.enter_context(endpoint)
        if self.output is not None:
            stack.callback(VerdictLines(service.feed, self.output, say).close)
        if self.mqtt is not None:
            stack.callback(MqttVerdicts(service.feed, self.mqtt, say).close)


def _files(folder: Path) -> ServeFiles:
    """Raises ConfigError for the folder of a run, DdnnError for one that cannot be written."""
    if is_run(folder):
        raise ConfigError(f"{folder}: is a run of ddnn train, want another folder for the report")
    check_writable(folder)
    return ServeFiles(folder)
