"""The Fréchet distance of two sets of features, each taken as a Gaussian (Dowson and Landau 1982)."""

import torch
from torch import Tensor

CHUNK = 4096  # rows that are widened to 64 bits at once


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½) of features (n, d) and (m, d); means m and covariances S in 64 bits.

    tr((S1 S2)^½) is the sum of the singular values of R1 R2ᵀ for any R with Rᵀ R = S: no root of a matrix that rounding
    has left without one, and quick where there are fewer pictures than features. Raises ValueError for fewer than two
    rows.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a Fréchet distance needs two pictures or more: one has no covariance")
    (mean1, root1), (mean2, root2) = _gaussian(first), _gaussian(second)
    spread = root1.square().sum() + root2.square().sum()  # the traces
    shared = torch.linalg.svdvals(root1 @ root2.T).sum()
    return max(float((mean1 - mean2).square().sum() + spread - 2 * shared), 0.0)


def _gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,), and R (min(n, d), d) with Rᵀ R = the covariance."""
    count, size = features.shape
    mean = sum((rows.double().sum(0) for rows in features.split(CHUNK)), torch.zeros(size, dtype=torch.float64)) / count
    if count <= size:
        return mean, (features.double() - mean) / (count - 1) ** 0.5
    covariance = torch.zeros(size, size, dtype=torch.float64)
    for rows in features.split(CHUNK):
        centred = rows.double() - mean
        covariance += centred.T @ centred / (count - 1)
    values, vectors = torch.linalg.eigh(covariance)
    return mean, values.clamp(min=0).sqrt()[:, None] * vectors.T
