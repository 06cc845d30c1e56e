"""Nothing that is read can run code: the package's source holds no call that could do it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "iblib"
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"}
CALLS |= {"yaml.load", "pd.read_pickle", "pandas.read_pickle"}
MUST_SAY = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
MUST_NOT_SAY = {"shell": True, "allow_pickle": True, "weights_only": False}
METHODS = {"extractall"}  # unpacking is by our own checked members


def _name(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def dangers(source: str) -> list[str]:
    """What a reviewer should not find in a module, with line numbers."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [getattr(node, "module", "") or ""]
            if bad := {name.split(".")[0] for name in names} & MODULES:
                found.append(f"{node.lineno}: import of {sorted(bad)[0]}")
        elif isinstance(node, ast.Call):
            name = _name(node.func)
            said = {
                keyword.arg: keyword.value.value
                for keyword in node.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            if name in CALLS or name.rpartition(".")[2] in METHODS:
                found.append(f"{node.lineno}: call of {name}")
            if name in MUST_SAY and said.get(MUST_SAY[name][0]) is not MUST_SAY[name][1]:
                found.append(f"{node.lineno}: {name} without {MUST_SAY[name][0]}")
            for word, value in MUST_NOT_SAY.items():
                if said.get(word) is value:
                    found.append(f"{node.lineno}: {word}={value}")
        elif isinstance(node, ast.Constant) and node.value in ("0.0.0.0", "::"):
            found.append(f"{node.lineno}: a server for everybody, {node.value}")
    return found


def test_the_package_holds_no_call_that_runs_what_it_reads():
    found = {
        str(path.relative_to(PACKAGE)): problems
        for path in sorted(PACKAGE.rglob("*.py"))
        if (problems := dangers(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import multiprocessing, marshal",
        "eval(text)",
        "exec(text)",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "archive.extractall(folder)",
        "tempfile.mktemp()",
        "serve(host='0.0.0.0')",
    ],
)
def test_the_check_finds(line):
    assert dangers(line)


def test_the_check_passes_what_is_safe():
    assert dangers("import json\nnp.load(p, allow_pickle=False)\nast.literal_eval(x)\n") == []
    assert dangers("torch.load(p, weights_only=True)\nre.compile('a')\nmodel.eval()\n") == []
