"""KDE by Saxe's formulas, as a graph of Keras backend operations on TensorFlow, float32.

Whole entropies with their d/2 log(2 pi e s^2), the Gram form of the distances, and everything once
more for each class and each bound: that is how the published values were computed.
"""

import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K

from benchmarks.formulas import information


def prepare(threads: int) -> None:
    """Before the first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _squared_distances(x):
    norms = K.expand_dims(K.sum(K.square(x), axis=1), 1)
    return norms + K.transpose(norms) - 2.0 * K.dot(x, K.transpose(x))


def _mixture_entropy(x, variance):
    """Kolchinsky and Tracey's upper bound for Gaussians of this variance around the rows, nats."""
    n_samples, dimension = x.shape
    exponents = -_squared_distances(x) / (2.0 * variance)
    normaliser = dimension / 2.0 * K.log(2.0 * math.pi * variance) + K.log(float(n_samples))
    log_density = tf.reduce_logsumexp(exponents, axis=1) - normaliser
    return dimension / 2.0 - K.mean(log_density)


# compiled once for each shape
@tf.function(autograph=False)
def _upper(x, variance):
    return _mixture_entropy(x, variance)


@tf.function(autograph=False)
def _lower(x, variance):
    return _mixture_entropy(x, 4.0 * variance) - x.shape[1] / 2.0 * math.log(4.0)


def kde(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """I(X;T) and I(T;Y), upper and lower, bits."""
    variance = np.float32(settings["noise_variance"])
    noise = t.shape[1] / 2.0 * (math.log(2.0 * math.pi * settings["noise_variance"]) + 1.0)
    values = {}
    for bound, graph in (("upper", _upper), ("lower", _lower)):
        h_t, ty = information(lambda x, graph=graph: float(graph(x, variance)), t, y)
        values |= {f"kde.xt_{bound}": (h_t - noise) / math.log(2)}
        values |= {f"kde.ty_{bound}": ty / math.log(2)}
    return values
