"""No file of the package can run what it downloaded: rules over the syntax trees."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "zoo"
FILES = sorted(PACKAGE.rglob("*.py"))

# module-level names by which each dangerous thing is known
PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNPICKLING = {"load", "loads", "Unpickler", "open", "read_pickle"}
HANDED_ON = {"pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.unsafe_load"}
YAML_SAFE = {"safe_load", "safe_load_all", "SafeLoader", "CSafeLoader", "safe_dump"}
DYNAMIC_IMPORTS = {
    "__init__.py": "names of the lazy public table, all literals of the package",
    "cli/__init__.py": "the command table, all literals of the package",
    "data/corpora/build.py": "CORPORA, literals of the package",
    "hub/load.py": "MODEL_CLASSES, after the slug was looked up in it",
    "hub/convert.py": "MODEL_CLASSES, after the slug was looked up in it",
    "bench/__init__.py": "names of the lazy public table, all literals of the package",
    "bench/samples.py": "READERS, literals of the package",
    "bench/shipped.py": "MODEL_CLASSES, for the entries of our own catalogue",
    "metrics/__init__.py": "METRICS, literals of the package",
    "training/command.py": "MODEL_CLASSES, after the slug was looked up in it",
}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain; the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """Local name -> full name, from every import of a file."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                found[name.asname or name.name.partition(".")[0]] = (
                    name.name if name.asname else name.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                found[name.asname or name.name] = f"{node.module}.{name.name}"
    return found


def full_name(node: ast.AST, names: dict[str, str]) -> str:
    name = dotted(node)
    head, _, rest = name.partition(".")
    head = names.get(head, head)
    return f"{head}.{rest}" if rest else head


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in call.keywords if k.arg == name), None)


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def is_false(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is False)


def safe_loaders(tree: ast.Module) -> set[str]:
    """Module-level names that stand for one of yaml's safe loaders and nothing else."""
    found = set()
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value is not None and set(re.findall(r"\w*Loader", ast.unparse(value))) in (
            {"SafeLoader"},
            {"CSafeLoader"},
            {"SafeLoader", "CSafeLoader"},
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {dotted(target) for target in targets}
    return found


def call_problem(call: ast.Call, name: str, where: str, loaders: set[str]) -> str | None:
    """Why a call is forbidden, or None."""
    first, _, last = name.rpartition(".")
    if name in ("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"):
        return f"{name}()"
    if first.partition(".")[0] in PICKLERS and last in UNPICKLING:
        return f"{name}()"
    if name in ("torch.load", "torch.serialization.load") and not is_true(
        keyword(call, "weights_only")
    ):
        return "torch.load without weights_only=True"
    if name in ("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"):
        return f"{name} runs what it loads"
    if name in ("numpy.load", "np.load") and not is_false(keyword(call, "allow_pickle")):
        return "numpy.load with allow_pickle"
    if name == "yaml.load" and dotted(keyword(call, "Loader") or call) in loaders:
        return None
    if first == "yaml" and "load" in last and last not in YAML_SAFE:
        return f"{name} is not a safe loader"
    if last == "load_from_checkpoint" and not is_true(keyword(call, "weights_only")):
        return "load_from_checkpoint without weights_only=True"
    if last == "from_pretrained" and keyword(call, "trust_remote_code") is not None:
        return "trust_remote_code"
    if name in ("importlib.import_module", "import_module") and where not in DYNAMIC_IMPORTS:
        argument = call.args[0] if call.args else None
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            return "import_module of something that is not a literal"
    if name in ("os.system", "os.popen") or is_true(keyword(call, "shell")):
        return f"{name} starts a shell"
    return None


def problems(source: str, where: str = "file.py") -> Iterator[str]:
    tree = ast.parse(source)
    names, loaders = aliases(tree), safe_loaders(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = call_problem(node, full_name(node.func, names), where, loaders)
            if found:
                yield f"{where}:{node.lineno}: {found}"
        elif isinstance(node, ast.ImportFrom) and node.module in PICKLERS:
            yield f"{where}:{node.lineno}: from {node.module} import hides what is used"
        elif isinstance(node, ast.Attribute) and full_name(node, names) in HANDED_ON:
            yield f"{where}:{node.lineno}: {full_name(node, names)} is handed on"


def test_there_are_files_to_look_at():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_package_obeys_the_rules(path):
    where = path.relative_to(PACKAGE).as_posix()
    assert list(problems(path.read_text(encoding="utf-8"), where)) == []


def test_every_exception_is_still_needed():
    for name in DYNAMIC_IMPORTS:
        assert "import_module(" in (PACKAGE / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(f)",
        "import pickle as p\np.loads(b)",
        "from pickle import loads\nloads(b)",
        "import pickle\nread = pickle.load",
        "import pickle\npickle.Unpickler(f).load()",
        "import joblib\njoblib.load(p)",
        "import torch\ntorch.load(p)",
        "import torch\ntorch.load(p, weights_only=False)",
        "import torch\ntorch.load(p, weights_only=flag)",
        "from torch import load\nload(p)",
        "import torch\ntorch.jit.load(p)",
        "import yaml\nyaml.load(s)",
        "import yaml\nyaml.load(s, Loader=yaml.FullLoader)",
        "import yaml\nL = yaml.UnsafeLoader\nyaml.load(s, Loader=L)",
        "from yaml import unsafe_load\nunsafe_load(s)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "eval('1')",
        "exec(code)",
        "from importlib import import_module\nimport_module(config['target'])",
        "import importlib\nimportlib.import_module(name)",
        "__import__(name)",
        "import os\nos.system(x)",
        "import subprocess\nsubprocess.run(x, shell=True)",
        "Model.load_from_checkpoint(url)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
    ],
)
def test_the_rules_catch(source):
    assert list(problems(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(p, weights_only=True)",
        "import yaml\nyaml.safe_load(s)",
        "import yaml\nL = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)\nyaml.load(s, Loader=L)",
        "import json\njson.load(f)",
        "import numpy as np\nnp.load(p, allow_pickle=False)\nnp.load(p)",
        "from importlib import import_module\nimport_module('zoo.hub')",
        "import pickle\nraise pickle.UnpicklingError",
        "model.eval()",
        "import re\nre.compile('x')",
    ],
)
def test_the_rules_let_pass(source):
    assert not list(problems(source))
