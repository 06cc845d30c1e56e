"""Closed forms and other people's code, for the package and for the slow reference alike."""

import estimators_oracles as oracles
import estimators_reference as reference
import estimators_truths as truths
import pytest

from iblib.estimators import binning, kde, kraskov

ESTIMATORS = {
    kde: (reference.kde, truths.KDE + oracles.KDE),
    kraskov: (reference.kraskov, truths.KRASKOV + oracles.KRASKOV),
    binning: (reference.binning, truths.BINNING + oracles.BINNING),
}


def each_check(*, slow: bool):
    """Parameters (check, information): of the package, or of the reference."""
    return [
        pytest.param(check, own if slow else module.information, id=check.__name__)
        for module, (own, checks) in ESTIMATORS.items()
        for check in checks
    ]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("check", "information"), each_check(slow=False))
def test_the_package(check, information):
    check(information)


@pytest.mark.parametrize(("check", "information"), each_check(slow=True))
def test_the_reference(check, information):
    check(information)
