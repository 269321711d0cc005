"""Who may import whom, who owns which dependency, and what nobody may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ddnn

ROOT = Path(ddnn.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}

BASE = {"addresses", "errors", "runfolder", "share", "yamlfile"}
STRUCTURE = BASE | {"blocks", "topology_check", "topology"}
RUNTIME = STRUCTURE | {"coding", "decision", "report", "wire", "bundle.manifest", "bundle.load"}
TRAINING = STRUCTURE | {
    "coding", "decision", "report", "data", "model", "bundle.manifest", "bundle.load",
    "bundle.graph", "bundle.write",
}  # fmt: skip
LAYERS = {
    "errors": set(),
    "addresses": {"errors"},
    "runfolder": {"errors"},
    "share": {"errors"},
    "yamlfile": {"errors"},
    "topology_check": {"addresses", "errors"},
    "blocks": set(),
    "topology": BASE | {"blocks", "topology_check"},
    "decision": {"errors"},
    "report": STRUCTURE,
    "data": STRUCTURE | {"report"},
    "coding": STRUCTURE,
    "wire": STRUCTURE | {"coding"},
    "bundle.manifest": STRUCTURE | {"coding"},
    "bundle.load": STRUCTURE | {"bundle.manifest"},
    "bundle.split": STRUCTURE | {"bundle.manifest", "bundle.load"},
    "bundle.place": STRUCTURE | {"bundle.manifest", "bundle.load", "bundle.split"},
    "bundle.compose": STRUCTURE | {
        "bundle.manifest", "bundle.load", "bundle.split", "bundle.place", "data", "wire",
    },
    "nodes": RUNTIME,
    "run": RUNTIME | {"nodes", "data"},
    "model": STRUCTURE | {"coding"},
    "bundle.graph": STRUCTURE | {"model"},
    "bundle.write": TRAINING - {"data", "bundle.write"} | {"bundle.split"},
    "training": TRAINING,
    "demo": RUNTIME | TRAINING | {"nodes", "run", "training"},
    "bench": RUNTIME | TRAINING | {"nodes", "run", "training"},
    "cli": RUNTIME | TRAINING | {
        "nodes", "run", "training", "demo", "bench", "bundle.split", "bundle.place",
        "bundle.compose",
    },
    "__main__": {"cli"},
}  # fmt: skip
"""By part of the package, what it may import beside itself. `bundle` is several parts."""

BENCH = ("bench/",)  # measures bare sockets and the naive way beside ours
OWNERS = {
    "zmq": ("wire/zeromq.py", *BENCH),
    "onnxruntime": ("nodes/engine.py",),
    "yaml": ("yamlfile.py",),
    "click": ("cli/",),
    "subprocess": ("run/", *BENCH),
    "signal": ("run/",),
    "matplotlib": ("report/",),
    "torch": ("model/", "training/", "bundle/graph.py", "bundle/write.py", *BENCH),
    "onnx": ("bundle/graph.py",),
}
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
NAIVE = "bench/naive.py"  # the naive way that is measured: pickles to itself


def part_of(module: str) -> str:
    """`wire` for ddnn.wire.codec, `bundle.load` for ddnn.bundle.load."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if names[:1] == ["bundle"] else names[0]


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


@pytest.mark.parametrize("name", FILES)
def test_imports_point_one_way(name):
    here = part_of("ddnn." + name.removesuffix(".py").replace("/", "."))
    if here == "__init__":
        return
    used = {part_of(module) for module in imports(TREES[name]) if module.startswith("ddnn.")}
    assert used <= LAYERS.get(here, set()) | {here}


@pytest.mark.parametrize("dependency", OWNERS)
def test_each_dependency_has_one_owner(dependency):
    users = [
        name
        for name, tree in TREES.items()
        if dependency in {module.split(".")[0] for module in imports(tree)}
    ]
    assert [name for name in users if not name.startswith(OWNERS[dependency])] == []
    assert users


@pytest.mark.parametrize("name", [name for name in FILES if name != NAIVE])
def test_nothing_runs_what_it_reads(name):
    """No pickle, eval, yaml.load or torch.load: data never becomes code."""
    assert not FORBIDDEN & {module.split(".")[0] for module in imports(TREES[name])}
    for call in (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)):
        assert ast.unparse(call.func) not in {"eval", "exec", "compile", "yaml.load", "torch.load"}
        assert "allow_pickle=True" not in ast.unparse(call)


@pytest.mark.parametrize("name", FILES)
def test_every_module_says_what_it_is_for(name):
    tree = TREES[name]
    assert not tree.body or ast.get_docstring(tree)


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


RUNTIME_STARTS = ("run.serve", "run.launcher", "run.site", "cli.launch", "cli.node", "cli.fault")


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
            waiting += imports(TREES[name])
    return found


def test_the_runtime_reaches_nothing_that_runs_what_it_reads():
    """What a node or a launch imports, however deep: no torch, no pickle, no foreign names."""
    names = reached()
    assert {"wire/codec.py", "wire/zeromq.py", "nodes/gather.py", "bundle/load.py"} <= names
    assert not [name for name in names if name.startswith(("model/", "training/", "bench/"))]
    for name in names:
        used = {module.split(".")[0] for module in imports(TREES[name])}
        assert not used & (FORBIDDEN | {"torch", "runpy", "code"}), name
        for call in (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            assert not called.endswith(("recv_pyobj", "send_pyobj", "__import__")), name
            if called.endswith("import_module") and name != "data/source.py":  # a data set's own
                assert ast.unparse(call.args[0]).lstrip("f'\"").startswith("ddnn."), name
            if called == "np.load":
                assert "allow_pickle=False" in ast.unparse(call), name
