"""Who may import whom, who owns which dependency, and what nobody may do."""

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import ddnn

ROOT = Path(ddnn.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}

BASE = {
    "addresses",
    "errors",
    "extensions",
    "names",
    "paths",
    "plainfile",
    "runfolder",
    "seal",
    "shipped",
    "yamlfile",
}
STRUCTURE = BASE | {"blocks", "topology_parts", "topology_structure", "topology_check", "topology"}
RUNTIME = STRUCTURE | {
    "coding", "decision", "report", "wire", "bundle.external", "bundle.manifest", "bundle.load",
}  # fmt: skip
TRAINING = STRUCTURE | {
    "coding", "decision", "report", "data", "model", "bundle.manifest", "bundle.load",
    "bundle.graph", "bundle.onnx_graph", "bundle.write",
}  # fmt: skip
LIVE = RUNTIME | {
    "nodes", "run", "live.bundles", "live.collector", "live.events", "live.feed", "live.files",
    "live.pace", "live.serving", "live.sources", "live.starting", "live.systemd", "live.truth",
}  # fmt: skip
LAYERS = {
    "errors": set(),
    "addresses": {"errors"},
    "extensions": {"errors"},
    "names": set(),
    "paths": {"errors"},
    "plainfile": set(),
    "yamlnumbers": set(),
    "runfolder": {"errors", "plainfile", "seal"},
    "seal": set(),
    "shipped": {"errors", "names", "plainfile"},
    "modelkeys": set(),
    "yamlfile": {"errors", "modelkeys", "plainfile", "yamlnumbers"},
    "topology_parts": {"blocks", "names"},
    "topology_structure": {"blocks", "topology_parts"},
    "deadlines": {"errors", "topology_structure"},
    "topology_check": {
        "addresses", "deadlines", "errors", "topology_parts", "topology_structure",
    },
    "blocks": {"errors"},
    "topology_replicas": {"addresses", "errors", "topology_parts", "topology_structure"},
    "topology": BASE | {
        "blocks", "deadlines", "topology_check", "topology_parts", "topology_replicas",
        "topology_structure",
    },
    "decision": {"errors"},
    "report": STRUCTURE,
    "data": STRUCTURE | {"report"},
    "coding": STRUCTURE,
    "wire": STRUCTURE | {"coding"},
    "bundle.manifest": STRUCTURE | {"coding"},
    "bundle.external": {"errors"},
    "bundle.load": STRUCTURE | {"bundle.external", "bundle.manifest"},
    "bundle.split": STRUCTURE | {"bundle.manifest", "bundle.load", "report"},
    "bundle.place": STRUCTURE | {"bundle.manifest", "bundle.load", "bundle.split"},
    "bundle.compose": STRUCTURE | {
        "bundle.manifest", "bundle.load", "bundle.split", "bundle.place", "bundle.samples",
        "data", "wire",
    },
    "bundle.kubernetes": STRUCTURE | {
        "bundle.compose", "bundle.split", "data", "wire",
    },
    "bundle.helm": STRUCTURE | {
        "bundle.compose", "bundle.kubernetes", "bundle.split", "data", "wire",
    },
    "bundle.samples": STRUCTURE | {"data"},
    "deploy": RUNTIME | {
        "bundle.samples", "bundle.split", "data", "live.sources", "live.systemd", "run",
    },
    "nodes": RUNTIME | {"data"},
    "live.events": set(),
    "live.feed": {"live.events"},
    "live.bundles": RUNTIME | {"run"},
    "live.collector": {"nodes", "report", "wire"},
    "live.client": {"errors"},
    "live.sources": STRUCTURE | {"nodes", "wire"},
    "live.systemd": set(),
    "live.truth": {"errors", "live.events", "report"},
    "live.pace": {"live.sources"},
    "live.orders": {"errors", "live.sources"},
    "live.mqtt": {"errors", "live.feed", "live.output", "live.sources"},
    "live.objects": STRUCTURE,
    "live.output": {"errors", "live.events", "live.feed"},
    "live.endpoint": {"errors", "live.feed", "live.output", "live.sources"},
    "live.files": RUNTIME | {"run"},
    "live.starting": LIVE,
    "live.serving": LIVE,
    "live.remote": LIVE,
    "live.service": LIVE | {"live.orders"},
    "live.sinks": LIVE | {
        "live.endpoint", "live.mqtt", "live.output", "live.page", "live.service",
    },
    "live.page": RUNTIME | {"nodes", "run", "live.events", "live.feed", "live.sources"},
    "run": RUNTIME | {"nodes", "data", "live.events", "live.feed", "live.sources"},
    "simulation": RUNTIME | {"nodes", "run", "data"},
    "model": STRUCTURE | {"bundle.external", "coding", "extensions", "nodes"},
    "bundle.graph": STRUCTURE | {"bundle.onnx_graph", "bundle.operators", "bundle.traced", "model"},
    "bundle.onnx_graph": STRUCTURE,
    "bundle.operators": STRUCTURE | {"bundle.onnx_graph", "model"},
    "bundle.traced": STRUCTURE,
    "bundle.layers": set(),
    "bundle.write": TRAINING - {"data", "bundle.write"} | {"bundle.split"},
    "training": TRAINING | {"bundle.layers", "bundle.traced", "nodes"},
    "demo": RUNTIME | TRAINING | {"nodes", "run", "training"},
    "bench": RUNTIME | TRAINING | {"nodes", "run", "training"},
    "comparison": RUNTIME | TRAINING | {"training"},
    "study": RUNTIME | TRAINING | {"run", "training"},
    "api": RUNTIME | TRAINING | LIVE | {
        "training", "comparison", "live.output", "live.service", "live.sinks", "simulation",
        "study",
    },
    "cli": RUNTIME | TRAINING | LIVE | {
        "bundle.helm", "bundle.kubernetes", "deploy",
        "live.service", "simulation", "training",
        "comparison", "demo", "bench", "bundle.split", "bundle.place", "bundle.compose", "api",
        "study", "live.page", "live.remote", "live.objects", "live.sinks",
    },
    "__main__": {"cli"},
}  # fmt: skip
"""By part of the package, what it may import beside itself. `bundle` is several parts, and so is
`live`, whose feed the runtime writes to."""

BENCH = ("bench/",)  # measures bare sockets and the naive way beside ours
OWNERS = {
    "zmq": (
        *(
            "wire/zeromq.py",
            "wire/sockets.py",
            "wire/inbox.py",
            "wire/monitor.py",
            "wire/doorman.py",
        ),
        *BENCH,
    ),
    "onnxruntime": ("nodes/engine.py", *BENCH),
    "yaml": ("yamlfile.py",),
    "click": ("cli/",),
    "asyncssh": ("deploy/reach.py",),
    "subprocess": ("run/", "deploy/", "study/on_slurm.py", *BENCH),
    "signal": ("run/", "deploy/", "study/local.py", "training/parallel.py"),
    "matplotlib": ("report/",),
    "av": ("live/sources/video.py",),
    "paho": ("live/mqtt.py",),
    "starlette": ("live/page/",),
    "uvicorn": ("live/page/",),
    "prometheus_client": ("live/page/",),
    "torch": (
        "model/",
        "training/",
        "bundle/graph.py",
        "bundle/operators.py",
        "bundle/traced.py",
        "bundle/write.py",
        *BENCH,
    ),
    "onnx": (
        "bundle/graph.py",
        "bundle/layers.py",
        "bundle/onnx_graph.py",
        "bundle/operators.py",
        "bundle/traced.py",
    ),
}
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
NAIVE = "bench/naive.py"  # the naive way that is measured: pickles to itself


def part_of(module: str) -> str:
    """`wire` for ddnn.wire.codec, `bundle.load` for ddnn.bundle.load."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if names[0] in ("bundle", "live") else names[0]


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported when the code runs; `ddnn.x` for `from ddnn import x`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "ddnn":
            modules = [alias.name for alias in node.names if not alias.name.startswith("_")]
            yield from (f"ddnn.{name}" for name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        yield from imports(node)


def strange_imports(name: str) -> set[str]:
    """What a file imports of ours though it may not."""
    here = part_of("ddnn." + name.removesuffix(".py").replace("/", "."))
    if here == "__init__":
        return set()
    used = {part_of(module) for module in imported(name) if module.startswith("ddnn.")}
    return used - LAYERS.get(here, set()) - {here}


def test_imports_point_one_way():
    found = {name: strange for name in FILES if (strange := strange_imports(name))}
    assert found == {}


def test_each_dependency_has_one_owner():
    """None is left without a user either: it could be dropped."""
    users = {
        dependency: [name for name in FILES if dependency in roots(name)] for dependency in OWNERS
    }
    strange = {
        (name, dependency)
        for dependency, names in users.items()
        for name in names
        if not name.startswith(OWNERS[dependency])
    }
    assert strange == set()
    assert [dependency for dependency, names in users.items() if not names] == []


@cache
def imported(name: str) -> frozenset[str]:
    """The modules that a file imports."""
    return frozenset(imports(TREES[name]))


def roots(name: str) -> set[str]:
    """The packages that a file imports."""
    return {module.split(".")[0] for module in imported(name)}


def calls(name: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call))


def is_code_from_data(call: ast.Call) -> bool:
    if ast.unparse(call.func) in {"eval", "exec", "compile", "yaml.load", "torch.load"}:
        return True
    return any(
        word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in call.keywords
    )


def test_nothing_runs_what_it_reads():
    """No pickle, eval, yaml.load or torch.load: data never becomes code."""
    names = [name for name in FILES if name != NAIVE]
    unsafe = {name: found for name in names if (found := FORBIDDEN & roots(name))}
    assert unsafe == {}
    found = [f"{n}:{call.lineno}" for n in names for call in calls(n) if is_code_from_data(call)]
    assert found == []


def test_every_module_says_what_it_is_for():
    silent = [name for name, tree in TREES.items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


RUNTIME_FILES = [
    name
    for name in FILES
    if name.startswith(("wire/", "nodes/", "run/", "bundle/load", "bundle/manifest"))
    or name in {f"cli/{c}.py" for c in ("main", "launch", "kill", "fault", "node", "report")}
]


def test_the_runtime_starts_without_the_training_world():
    modules = [
        "ddnn." + name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for name in RUNTIME_FILES
    ]
    program = f"""
import importlib, sys
for module in {["ddnn", *modules]}:
    importlib.import_module(module)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "torchvision", "sklearn", "matplotlib", "scipy", "onnx", "safetensors", "PIL"}
    assert set(found.stdout.split()) & heavy == set()
    assert {"zmq", "onnxruntime"} <= set(found.stdout.split())


def test_what_runs_sections_reports_to_nobody_and_keeps_nothing_at_home(tmp_path: Path):
    """ONNX Runtime's own telemetry, which is silent by itself in tests and in CI only."""
    path = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH")}
    subprocess.run(
        [sys.executable, "-c", "import ddnn.nodes.engine"],
        check=True,
        env=path | {"HOME": str(tmp_path)},
    )
    assert list(tmp_path.rglob("*")) == []


def test_a_node_is_small_and_ready_to_be_forked_when_it_has_imported_everything():
    """asyncio takes 3 MB in each process, YAML 1; a thread would not be there after a fork."""
    program = """
import os, sys
import ddnn.run.child.serve
from ddnn.nodes.engine import begin_runtime
begin_runtime()
print(*{"asyncio", "ssl", "yaml", "rich", "click", "PIL"} & set(sys.modules))
if sys.platform == "linux":
    assert len(os.listdir("/proc/self/task")) == 1
"""
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert found.stdout.split() == []


RUNTIME_STARTS = (
    "run.child.serve", "run.child.__main__", "run.launcher.launch", "run.launcher.remote_host",
    "cli.launch", "cli.node", "cli.fault",
)  # fmt: skip


def file_of(module: str) -> str | None:
    """`wire/codec.py` for ddnn.wire.codec; None for what is no module of ours."""
    path = module.removeprefix("ddnn.").replace(".", "/")
    names = (f"{path}.py", f"{path}/__init__.py")
    return next((name for name in names if module.startswith("ddnn.") and name in FILES), None)


def reached() -> set[str]:
    """Every file of ours that may be imported when nodes are launched and run."""
    found: set[str] = set()
    waiting = [f"ddnn.{start}" for start in RUNTIME_STARTS]
    while waiting:
        name = file_of(waiting.pop())
        if name is not None and name not in found:
            found.add(name)
            waiting += imported(name)
    return found


def test_the_runtime_reaches_nothing_that_runs_what_it_reads():
    """What a node or a launch imports, however deep: no torch, no pickle, no foreign names."""
    names = reached()
    assert {"wire/codec.py", "wire/zeromq.py", "nodes/gather.py", "bundle/load.py"} <= names
    assert not [name for name in names if name.startswith(("model/", "training/", "bench/"))]
    unsafe = FORBIDDEN | {"torch", "runpy", "code"}
    assert {name: found for name in names if (found := unsafe & roots(name))} == {}
    assert [f"{n}:{call.lineno}" for n in names for call in calls(n) if is_foreign(n, call)] == []


def is_foreign(name: str, call: ast.Call) -> bool:
    """Whether a call unpickles, or imports by a name that is not ours."""
    called = ast.unparse(call.func)
    if called.endswith("import_module") and name != "data/source.py":  # a data set's own
        return not ast.unparse(call.args[0]).lstrip("f'\"").startswith("ddnn.")
    if called == "np.load":
        return "allow_pickle=False" not in ast.unparse(call)
    return called.endswith(("recv_pyobj", "send_pyobj", "__import__"))


def test_each_test_file_has_a_name_of_its_own():
    """pytest imports them by it."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
