"""Which function does a task for a row of the table, and in which environment it runs."""

from dataclasses import dataclass
from importlib import import_module, metadata


@dataclass(frozen=True)
class Implementation:
    """A function ``(t, y, settings) -> {name: bits}`` of a module of this folder."""

    module: str
    function: str
    packages: tuple[str, ...]  # whose versions are reported, as installed
    environment: str = "peers"  # or "main": the one that iblib is installed in

    def load(self):
        """Import the module; returns it with its function."""
        module = import_module(f"benchmarks.{self.module}")
        return module, getattr(module, self.function)

    def version(self) -> str:
        """Name and version of the packages that do the work."""
        return ", ".join(f"{name} {metadata.version(name)}" for name in self.packages)


def _ours(function: str) -> Implementation:
    return Implementation("ours", function, ("iblib", "torch"), "main")


def _peer(module: str, function: str, *packages: str) -> Implementation:
    return Implementation(f"peers_{module}", function, packages)


IMPLEMENTATIONS = {
    "kde": {
        "iblib": _ours("kde"),
        "saxe": _peer("keras", "kde", "tensorflow-cpu", "keras"),
        "numpy": _peer("numpy", "kde", "numpy"),
        "torch": Implementation("peers_torch", "kde", ("torch",), "main"),
    },
    "noises": {
        "iblib": _ours("noises"),
        "iblib, one noise": _ours("kde"),
        "iblib, one by one": _ours("one_by_one"),
    },
    "binning": {
        "iblib": _ours("binning"),
        "saxe": _peer("numpy", "binning", "numpy"),
        "pandas": _peer("pandas", "binning", "pandas"),
        "scikit-learn": _peer("sklearn", "binning", "scikit-learn"),
        "scikit-learn, unique": _peer("sklearn", "binning_unique", "scikit-learn", "numpy"),
        "infomeasure": _peer("infomeasure", "binning", "infomeasure"),
    },
    "kraskov": {
        "iblib": _ours("kraskov"),
        "scipy": _peer("scipy", "kraskov", "scipy"),
        "faiss": _peer("faiss", "kraskov", "faiss-cpu"),
        "scikit-learn": _peer("sklearn", "kraskov", "scikit-learn"),
        "infomeasure": _peer("infomeasure", "kraskov", "infomeasure"),
    },
    "measure": {
        "iblib": _ours("measure"),
        "iblib kde": _ours("kde"),
        "iblib binning": _ours("binning"),
        "iblib kraskov": _ours("kraskov"),
    },
}
_REFERENCE = Implementation("reference", "values", ("torch",), "main")


def implementation(task: str, row: str) -> Implementation:
    """Who does this task for this row; "reference" stands beside every task's rows."""
    return _REFERENCE if row == "reference" else IMPLEMENTATIONS[task][row]
