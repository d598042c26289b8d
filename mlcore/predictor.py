"""Scores from a saved model, on CPU or GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mlcore import checkpoint
from mlcore.data import MIN_WEEKS, Floats, Ints, StudentWeeks
from mlcore.evaluate import Array
from mlcore.protocol import Bundle
from mlcore.report import BANDS
from mlcore.schema import HEADS, RISK, FeatureSchema


@dataclass(frozen=True)
class Scores:
    """What a model says of N windows.

    probability [N, 4], calibrated, NaN for a head that is not fitted; logit [N, 4], calibrated;
    low, high [N]: 90 % interval of the outcome's share among the 200 held-out students nearest in score;
    rank [N]: what orders a caseload; attention: one array [window length] each; rule_flags [N, 3];
    enough_data [N].
    """

    probability: Floats
    logit: Floats
    low: Floats
    high: Floats
    rank: Array
    attention: list[Floats]
    rule_flags: Array
    enough_data: np.ndarray


def choose_device(wanted: str) -> str:
    """Return "cuda" or "cpu" for "auto"; RuntimeError where cuda is asked for and missing."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("MODEL_DEVICE is cuda, but this process sees no CUDA device")
    return wanted


class Predictor:
    """A loaded model. Answers by whatever won its evaluation: network, logistic regression or rule."""

    def __init__(self, bundle: Bundle, schema: FeatureSchema, device: str = "cpu") -> None:
        self.bundle = bundle
        self.schema = schema
        self.device = device

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Predictor:
        """Read a checkpoint; CheckpointError where that fails."""
        bundle, schema = checkpoint.load(path)
        return cls(bundle, schema, choose_device(device))

    @property
    def ranking(self) -> str:
        return self.bundle.ranking

    @property
    def scorer(self) -> str:
        """Return the model whose probabilities are shown: "network", "logistic", or "" for none."""
        if self.bundle.network is None:
            return ""
        return "logistic" if self.bundle.ranking == "logistic" else "network"

    def predict(self, weeks: StudentWeeks, rows: Ints, batch_size: int = 1024) -> Scores:
        """Score the windows that end at `rows`.

        Raises:
            SchemaMismatch: the data lack a feature that the model reads, or hold another revision of it.
        """
        self.schema.require_revisions(weeks.schema)
        weeks = weeks.select(self.schema.names)
        rows = np.asarray(rows, dtype=np.int64)
        count = len(rows)
        logit = np.full((count, len(HEADS)), np.nan, dtype=np.float32)
        probability = logit.copy()
        low = high = np.full(count, np.nan, dtype=np.float32)
        attention: list[Floats] = [np.zeros(0, dtype=np.float32)] * count
        if self.bundle.network is not None and count:
            raw, attention = self.bundle.network.predict(weeks, rows, batch_size, self.device)
            if self.scorer == "logistic" and self.bundle.logistic is not None:
                raw = self.bundle.logistic.logits(weeks, rows)
            calibrator = self.bundle.calibrators[self.scorer]
            logit, probability = calibrator.logit(raw), calibrator.probability(raw)
            if self.bundle.neighbours is not None:
                low, high = self.bundle.neighbours.interval(probability[:, RISK])
        met = self.bundle.rule.flags(weeks, rows)[1] if count else np.zeros((0, 3))
        rank = (
            self.bundle.rule.score(weeks, rows)
            if self.ranking == "rule" and count
            else probability[:, RISK].astype(np.float64)
        )
        length = weeks.window_length(rows) if count else np.zeros(0, dtype=np.int64)
        return Scores(probability, logit, low, high, rank, attention, met, length >= MIN_WEEKS)


def level(probability: float | None, flags: float) -> str:
    """Return the band of a probability; where there is none, of the number of conditions the rule met."""
    if probability is None or np.isnan(probability):
        return ("low", "moderate", "high", "high")[int(flags)]
    return next(name for name, _, high in BANDS if probability < high or high == 1.0)
