"""Network and peers, fitted on the same windows, so that one can be judged beside the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlcore.baselines import BoostedTrees, LogisticBaseline, PersistenceBaseline
from mlcore.config import TrainConfig
from mlcore.data import Examples, Floats, Ints, StudentWeeks
from mlcore.schema import HEADS, RISK
from mlcore.train import NothingToLearn, Progress, TrainedNetwork, train, unfit_heads

FOLDS = 3

Stop = Callable[[], bool]
Epoch = Callable[[Progress], None]


@dataclass(frozen=True)
class Peers:
    """Everything that is measured on one run. `boosting` is None where it is switched off."""

    network: TrainedNetwork
    logistic: LogisticBaseline
    persistence: PersistenceBaseline
    boosting: BoostedTrees | None
    device: str

    def logits(self, weeks: StudentWeeks, rows: Ints) -> dict[str, Floats]:
        """Return model → raw logits [N, 4], NaN for heads that the model does not answer."""
        found = {
            "network": self.network.predict(weeks, rows, device=self.device)[0],
            "logistic": self.logistic.logits(weeks, rows),
            "persistence": _risk_alone(self.persistence.logits(weeks, rows)),
        }
        if self.boosting is not None:
            found["boosting"] = _risk_alone(self.boosting.logits(weeks, rows))
        return found


def _risk_alone(logits: Floats) -> Floats:
    out = np.full((len(logits), len(HEADS)), np.nan, dtype=np.float32)
    out[:, RISK] = logits
    return out


def fit_peers(
    weeks: StudentWeeks,
    examples: Examples,
    config: TrainConfig,
    *,
    validation: Examples | None = None,
    device: str = "cpu",
    on_epoch: Epoch | None = None,
    should_stop: Stop | None = None,
) -> Peers:
    """Fit network, logistic regression, persistence and gradient boosting on the same examples.

    Args:
        weeks, examples, config: what to learn from, and how.
        validation: for the network's early stopping; held-out persons of `examples` where not given.
        device: of the network.
        on_epoch, should_stop: as in train.

    Raises:
        NothingToLearn: the risk head cannot be fitted.
    """
    reason = unfit_heads(examples).get("risk")
    if reason:
        raise NothingToLearn(f"how the year ends cannot be learned: {reason}")
    return Peers(
        network=train(
            weeks,
            examples,
            config,
            validation=validation,
            device=device,
            on_progress=on_epoch,
            should_stop=should_stop,
        ),
        logistic=LogisticBaseline.fit(weeks, examples, config.seed),
        persistence=PersistenceBaseline.fit(weeks, examples),
        boosting=BoostedTrees.fit(weeks, examples, config.seed) if config.boosting else None,
        device=device,
    )


def cross_fitted(
    weeks: StudentWeeks,
    examples: Examples,
    config: TrainConfig,
    *,
    device: str = "cpu",
    on_fold: Callable[[int], None] | None = None,
    should_stop: Stop | None = None,
) -> dict[str, Floats]:
    """Return model → raw logits [N, 4] of examples whose person the model had not seen.

    Persons are dealt into folds; each fold is answered by models fitted on the others. A head that
    cannot be fitted without some fold stays NaN for that fold.

    Raises:
        NothingToLearn: without a fold too few students are left.
    """
    persons = np.unique(examples.person)
    deal = np.random.default_rng(config.seed).permutation(len(persons)) % FOLDS
    fold = deal[np.searchsorted(persons, examples.person)]
    found: dict[str, Floats] = {}
    for number in range(FOLDS):
        peers = fit_peers(
            weeks, examples.take(fold != number), config, device=device, should_stop=should_stop
        )
        for name, logits in peers.logits(weeks, examples.row[fold == number]).items():
            whole = found.setdefault(name, np.full((len(examples), len(HEADS)), np.nan, np.float32))
            whole[fold == number] = logits
        if on_fold is not None:
            on_fold(number + 1)
    return found


def thin(examples: Examples, most: int, seed: int, always: np.ndarray | None = None) -> Examples:
    """Keep `most` examples drawn by seed, beside those marked `always` [N]: weeks of one student say alike."""
    if len(examples) <= most:
        return examples
    kept = np.zeros(len(examples), dtype=bool)
    kept[np.random.default_rng(seed).choice(len(examples), most, replace=False)] = True
    return examples.take(kept if always is None else kept | always)
