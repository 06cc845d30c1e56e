"""Compile what numba and librosa compile on first use, once, before two test workers both would.

Called by the Makefile: ``python tests/warm.py``. The code is kept on disk, beside its source.
"""

import librosa
import numpy as np

from iblib.estimators import measure

rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    for d in (3, 40):  # few coordinates and many are compared by different loops
        t = rng.normal(size=(300, d)).astype(dtype)
        measure(t, t[:, 0] > 0, width=0.5, noise_variance=0.1, k=2)
librosa.feature.melspectrogram(y=np.zeros(4096))
