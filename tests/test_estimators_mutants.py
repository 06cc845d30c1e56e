"""The suite has teeth: every wrong implementation fails its checks, twice over."""

import estimators_cases as cases
import estimators_mutants as mutants
import estimators_oracles as oracles
import estimators_truths as truths
import pytest
from estimators_checks import check_binning, check_kde, check_kraskov

ESTIMATORS = {
    "kde": (mutants.KDE, check_kde, oracles.KDE + truths.KDE),
    "kraskov": (mutants.KRASKOV, check_kraskov, oracles.KRASKOV + truths.KRASKOV),
    "binning": (mutants.BINNING, check_binning, oracles.BINNING + truths.BINNING),
}
MUTANTS = [(name, mistake) for name, (wrong, _, _) in ESTIMATORS.items() for mistake in wrong]
HARD = (
    cases.tanh_far,
    cases.clusters_far_apart,
    cases.near_duplicates,
    cases.dead_units,
    cases.on_bin_edges,
)


def refuses(check, *given) -> bool:
    try:
        check(*given)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(("estimator", "mistake"), MUTANTS)
def test_the_reference_refuses_it(estimator, mistake):
    wrong, check, _ = ESTIMATORS[estimator]
    assert any(refuses(check, wrong[mistake], cases.case(pattern, 3)) for pattern in HARD)


@pytest.mark.parametrize(("estimator", "mistake"), MUTANTS)
def test_a_known_truth_refuses_it(estimator, mistake):
    wrong, _, known = ESTIMATORS[estimator]
    assert any(refuses(check, wrong[mistake]) for check in known)
