"""What every estimator is called, writes and looks like: configs, rows and figures read it here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimator:
    """One name of a table's ``estimator`` column, with all that depends on it.

    A name without a record (your own estimator) is treated as one that writes I(X;T) and I(T;Y).
    """

    name: str
    label: str
    measured_as: str = ""  # its name in ``MeasureConfig.estimators``
    ruler: str = "fixed"  # exact, fixed, or scale: follows T when T is multiplied by a constant
    parameters: tuple[str, ...] = ()  # what its ``parameter`` column holds, the usual one first
    quantities: tuple[str, ...] = ("I_XT", "I_TY")  # as it writes them, I(X;T) or H(T) first
    x_label: str = "I(X;T) [bits]"
    line: str = "-"
    family: str = "information"  # estimators of one family share axes
    hollow: str = "saturated"  # column that marks the values that say little

    @property
    def has_ceiling(self) -> bool:
        """Whether its first quantity cannot pass log2 P."""
        return self.family == "information"

    def quantity(self, wanted: str, bound: str = "upper") -> str:
        """Name under which a table holds what stands for I_XT or I_TY, its upper or lower value.

        ValueError for other words.
        """
        if bound not in ("upper", "lower"):
            raise ValueError(f'bound must be "upper" or "lower"; got {bound!r}')
        if wanted not in ("I_XT", "I_TY"):
            raise ValueError(f'quantity must be "I_XT" or "I_TY"; got {wanted!r}')
        named = [name for name in (f"{wanted}_{bound}", wanted) if name in self.quantities]
        return named[0] if named else self.quantities[0]

    def axis(self, wanted: str) -> str:
        """Axis label of what stands for I_XT or I_TY, with the unit."""
        return "I(T;Y) [bits]" if wanted == "I_TY" else self.x_label

    def shown(self, bound: str = "upper") -> str:
        """Readable name; where there are two values, with the one it stands for."""
        return f"{self.label} ({bound})" if f"I_XT_{bound}" in self.quantities else self.label


_KDE = {"quantities": ("I_XT_upper", "I_XT_lower", "I_TY_upper", "I_TY_lower"), "line": "--"}
_KDE_RELATIVE = _KDE | {"measured_as": "kde", "ruler": "scale", "parameters": ("relative_noise",)}
_H = {"quantities": ("H_T", "I_TY")}
_POOLED = _H | {"x_label": "H(one activation) [bits]", "family": "pooled"}
_KRASKOV = _H | {"x_label": "H(T) + const [bits]", "line": "-.", "family": "entropy"}
_KRASKOV |= {"hollow": "zero_radius"}
_RECORDS = (
    Estimator("exact", "exact", "exact", "exact"),
    Estimator("binning", "binning", "binning", "fixed", ("width", "n_bins")),
    Estimator("binning_refit", "binning, refitted edges", "binning", "scale", ("n_bins",)),
    Estimator(
        "binning_net_input", "binning, equal in the net input", "binning", "fixed", ("n_bins",)
    ),
    Estimator("pooled", "pooled histogram", "binning", "fixed", ("width",), **_POOLED),
    Estimator("kde", "KDE", "kde", "fixed", ("noise_variance",), **_KDE),
    Estimator("kde_resolution", "KDE, scaled noise", "kde", "scale", ("resolution",), **_KDE),
    Estimator("kde_relative", "KDE, noise relative to the deviation", **_KDE_RELATIVE),
    Estimator("kraskov", "Kraskov", "kraskov", "fixed", ("k",), **_KRASKOV),
)
ESTIMATORS = {record.name: record for record in _RECORDS}
MEASURABLE = tuple(dict.fromkeys(record.measured_as for record in _RECORDS))
PARAMETERS = {
    "width": "bin width",
    "n_bins": "number of bins",
    "noise_variance": "noise variance",
    "resolution": "noise deviation / root mean square distance",
    "relative_noise": "noise deviation / deviation of T",
    "k": "neighbour k",
}


def estimator_named(name: str) -> Estimator:
    """The record of this name; a plain one for a name that has none."""
    return ESTIMATORS.get(name) or Estimator(name, name)
