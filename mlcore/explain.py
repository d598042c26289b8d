"""Why a score is what it is: attribution to its calibrated logit, against a stated baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlcore.data import Floats, Ints, StudentWeeks, gather
from mlcore.predictor import Predictor
from mlcore.schema import HEADS

STEPS = 32
MOST_STEPS = 512
SHARE_LEFT, LOGIT_LEFT = 0.01, 0.01  # how far the contributions may miss the score: the larger counts

Forward = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Attribution:
    """What each feature adds to the calibrated logit, summed over the window's weeks.

    contribution [N, F]; logit [N] of the student; baseline [N] of the same window with every week at
    the median of its school, grade and week; gap [N] = |sum of contributions - (logit - baseline)|.
    """

    contribution: Floats
    logit: Floats
    baseline: Floats
    gap: Floats


def integrated_gradients(
    predictor: Predictor,
    weeks: StudentWeeks,
    rows: Ints,
    head: str = "risk",
    *,
    steps: int = STEPS,
    batch_size: int = 64,
) -> Attribution:
    """Attribute a head's calibrated logit to features. Sundararajan, Taly and Yan 2017.

    The path runs from the cohort's median week to the student's own, missing values and masks staying as
    they are; raw and relative inputs of a feature count together. Gradients are taken at the midpoints
    of `steps` parts; windows whose contributions miss the score by more than 1 % or 0.01 are walked
    again in finer parts. Calibration is affine, so it scales contributions and moves only the baseline.
    Logistic regression is attributed along the same path.

    Raises:
        ValueError: the predictor has no fitted model for the head.
        SchemaMismatch: the data lack a feature that the model reads, or hold another revision of it.
    """
    predictor.schema.require_revisions(weeks.schema)
    weeks = weeks.select(predictor.schema.names)
    rows = np.asarray(rows, dtype=np.int64)
    contribution = np.zeros((len(rows), len(predictor.schema.features)), dtype=np.float32)
    logit, baseline = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    gap = np.zeros(len(rows), np.float32)
    todo = np.arange(len(rows))
    # cuDNN walks a GRU backward in training mode alone, and training mode would drop out units.
    with torch.backends.cudnn.flags(enabled=False):
        while len(todo):
            for begin in range(0, len(todo), batch_size):
                at = todo[begin : begin + batch_size]
                contribution[at], logit[at], baseline[at] = _walk(predictor, weeks, rows[at], head, steps)
            gap = np.abs(contribution.sum(axis=1) - (logit - baseline))
            allowed = np.maximum(LOGIT_LEFT, SHARE_LEFT * np.abs(logit - baseline))
            steps *= 4
            todo = np.flatnonzero(gap > allowed) if steps <= MOST_STEPS else np.zeros(0, dtype=np.int64)
    return Attribution(contribution, logit, baseline, gap.astype(np.float32))


def _walk(
    predictor: Predictor, weeks: StudentWeeks, rows: Ints, head: str, steps: int
) -> tuple[Floats, Floats, Floats]:
    """Return contributions [B, F], logits [B] and baseline logits [B] of one batch of windows."""
    device = predictor.device
    own, typical = gather(weeks, rows), gather(weeks, rows, to_median=True)
    present = torch.from_numpy(own.present).to(device)
    gap = torch.from_numpy(own.gap).to(device)
    length = torch.from_numpy(own.length).to(device)
    forward = _forward(predictor, head, present, gap, length)
    raw_to, raw_from = torch.from_numpy(own.values).to(device), torch.from_numpy(typical.values).to(device)
    relative_to = torch.from_numpy(own.relative).to(device)
    relative_from = torch.from_numpy(typical.relative).to(device)
    raw_step, relative_step = raw_to - raw_from, relative_to - relative_from
    columns = torch.as_tensor(predictor.schema.relative, device=device)
    total = torch.zeros((len(rows), raw_to.shape[2]), device=device)
    for step in range(steps):
        share = (step + 0.5) / steps
        raw = (raw_from + share * raw_step).requires_grad_()
        relative = (relative_from + share * relative_step).requires_grad_()
        # A schema may have no relative feature at all; its gradient is then of no elements.
        along_raw, along_relative = torch.autograd.grad(
            forward(raw, relative).sum(), (raw, relative), allow_unused=True, materialize_grads=True
        )
        total += torch.nan_to_num(along_raw * raw_step).sum(1) / steps
        total.index_add_(1, columns, torch.nan_to_num(along_relative * relative_step).sum(1) / steps)
    with torch.no_grad():
        logit = forward(raw_to, relative_to).cpu().numpy()
        baseline = forward(raw_from, relative_from).cpu().numpy()
    return total.cpu().numpy(), logit, baseline


def _forward(predictor: Predictor, head: str, present: Tensor, gap: Tensor, length: Tensor) -> Forward:
    """Return the calibrated logit [B] as a function of raw and relative values, masks held still."""
    bundle, position = predictor.bundle, HEADS.index(head)
    calibrator = bundle.calibrators.get(predictor.scorer)
    if bundle.network is None or calibrator is None:
        raise ValueError(f"no model is fitted for {head}")
    slope, shift = float(calibrator.slope[position]), float(calibrator.intercept[position])
    if predictor.scorer == "logistic" and bundle.logistic is not None:
        if head in bundle.logistic.unfitted:
            raise ValueError(f"no model is fitted for {head}: {bundle.logistic.unfitted[head]}")
        linear = bundle.logistic
        weight = torch.from_numpy(linear.weight[position]).to(predictor.device)
        bias = float(linear.bias[position])

        def by_logistic(raw: Tensor, relative: Tensor) -> Tensor:
            batch = linear.encoder.encode(raw, relative, present, gap, length)
            return slope * (batch.summary @ weight + bias) + shift

        return by_logistic

    if head in bundle.network.unfitted:
        raise ValueError(f"no model is fitted for {head}: {bundle.network.unfitted[head]}")
    encoder = bundle.network.encoder
    network = bundle.network.network.to(predictor.device).eval()

    def by_network(raw: Tensor, relative: Tensor) -> Tensor:
        batch = encoder.encode(raw, relative, present, gap, length)
        out: Tensor = network(batch)[0][:, position]
        return slope * out + shift

    return by_network
