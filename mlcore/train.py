"""Training, in one visible loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from mlcore.config import TrainConfig
from mlcore.data import Examples, Floats, Ints, StudentWeeks, batches, gather
from mlcore.encode import Encoder
from mlcore.evaluate import auroc
from mlcore.network import EduPulseNetwork
from mlcore.schema import HEADS, RISK

MIN_STUDENTS_PER_CLASS = 50
PREVALENCE = (0.005, 0.80)


class NothingToLearn(ValueError):
    """No head has enough examples; the message says what is missing for each."""


class Interrupted(RuntimeError):
    """Somebody asked the training to stop."""


@dataclass(frozen=True)
class Progress:
    """One finished epoch. `metrics`: training loss and validation AUROC of each fitted head."""

    epoch: int
    epochs: int
    metrics: dict[str, float]


@dataclass
class TrainedNetwork:
    """A fitted network with what it needs to read data. `unfitted`: head → why it answers nothing."""

    network: EduPulseNetwork
    encoder: Encoder
    config: TrainConfig
    unfitted: dict[str, str]
    history: list[dict[str, float]] = field(default_factory=list)

    def predict(
        self, weeks: StudentWeeks, rows: Ints, batch_size: int = 1024, device: str = "cpu"
    ) -> tuple[Floats, list[Floats]]:
        """Return raw logits [N, 4] (NaN for heads not fitted) and attention, one array [length] a window."""
        network = self.network.to(device).eval()
        logits = np.zeros((len(rows), len(HEADS)), dtype=np.float32)
        attention: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(rows)
        with torch.inference_mode():
            for at in batches(weeks, rows, batch_size):
                windows = gather(weeks, rows[at])
                out, weights = network(self.encoder.batch(windows, device))
                logits[at] = out.float().cpu().numpy()
                for position, weight, length in zip(at, weights.cpu().numpy(), windows.length, strict=True):
                    attention[position] = weight[:length]
        for position, head in enumerate(HEADS):
            if head in self.unfitted:
                logits[:, position] = np.nan
        return logits, attention


def unfit_heads(examples: Examples) -> dict[str, str]:
    """Return, for each head that cannot be learned from these examples, the reason in words.

    A head needs 50 positive and 50 negative students and a prevalence between 0.5 and 80 %.
    """
    reasons = {}
    for position, head in enumerate(HEADS):
        label = examples.labels[:, position]
        known = ~np.isnan(label)
        positive = len(np.unique(examples.person[known & (label == 1)]))
        negative = len(np.unique(examples.person[known & (label == 0)]))
        rate = float(label[known].mean()) if known.any() else 0.0
        if positive < MIN_STUDENTS_PER_CLASS or negative < MIN_STUDENTS_PER_CLASS:
            reasons[head] = (
                f"{positive} students with the event and {negative} without; "
                f"{MIN_STUDENTS_PER_CLASS} of each are needed"
            )
        elif not PREVALENCE[0] <= rate <= PREVALENCE[1]:
            reasons[head] = (
                f"the event's share is {rate:.1%}, outside {PREVALENCE[0]:.1%} to {PREVALENCE[1]:.0%}"
            )
    return reasons


def split_persons(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Return two parts with no person in both; the second holds about `share` of the persons."""
    persons = np.unique(examples.person)
    random = np.random.default_rng(seed)
    held = random.choice(persons, size=max(1, round(share * len(persons))), replace=False)
    mask = np.isin(examples.person, held)
    return examples.take(~mask), examples.take(mask)


def train(
    weeks: StudentWeeks,
    examples: Examples,
    config: TrainConfig,
    *,
    validation: Examples | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedNetwork:
    """Fit a network and keep the epoch that was best on validation.

    Args:
        weeks: student-weeks; only windows that end at the examples' rows are read.
        examples: what to learn from.
        config: network and training.
        validation: for early stopping; held-out persons of `examples` where not given.
        device: "cpu" or "cuda".
        on_progress: called after each epoch.
        should_stop: asked before each batch; True raises Interrupted.

    Raises:
        NothingToLearn: no head can be fitted.
    """
    unfitted = unfit_heads(examples)
    if len(unfitted) == len(HEADS):
        raise NothingToLearn("; ".join(f"{head}: {why}" for head, why in unfitted.items()))
    if validation is None:
        examples, validation = split_persons(examples, config.validation_share, config.seed)
    fitted = np.array([head not in unfitted for head in HEADS])
    usable = (~np.isnan(examples.labels) & fitted).any(axis=1)
    examples = examples.take(usable)

    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    encoder = Encoder.fit(weeks, examples.row)
    network = EduPulseNetwork(*encoder.widths(), config.network).to(device)
    start_at_base_rate(network, examples)
    head_weight = torch.full((len(HEADS),), config.auxiliary_weight, device=device)
    head_weight[RISK] = 1.0
    if "risk" in unfitted:
        head_weight[:] = 1.0

    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    per_epoch = min(len(examples), config.max_examples_per_epoch)
    steps = math.ceil(math.ceil(per_epoch / config.batch_size) / config.accumulate) * config.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_cosine(steps, config.warmup))
    random = np.random.default_rng(config.seed)
    trained = TrainedNetwork(network, encoder, config, unfitted)
    best, best_score, since_best = copy.deepcopy(network.state_dict()), -math.inf, 0

    for epoch in range(config.epochs):
        network.train()
        drawn = np.sort(random.choice(len(examples), size=per_epoch, replace=False))
        total = count = 0.0
        optimizer.zero_grad()
        cut = list(batches(weeks, examples.row[drawn], config.batch_size, seed=config.seed + epoch))
        for number, at in enumerate(cut, start=1):
            if should_stop is not None and should_stop():
                raise Interrupted(f"stopped in epoch {epoch + 1}")
            chosen = examples.take(drawn[at])
            windows = gather(weeks, chosen.row)
            if config.week_dropout:
                hidden = random.random(windows.values.shape[:2]) < config.week_dropout
                hidden[np.arange(len(chosen)), windows.length - 1] = False  # the last week always counts
                windows.values[hidden] = np.nan
                windows.relative[hidden] = np.nan
                windows.present[hidden] = False
            logits, _ = network(encoder.batch(windows, device))
            label = torch.from_numpy(chosen.labels).to(device)
            known = ~torch.isnan(label) & torch.from_numpy(fitted).to(device)
            each = F.binary_cross_entropy_with_logits(logits, torch.nan_to_num(label), reduction="none")
            weight = known * head_weight * torch.from_numpy(chosen.weight).to(device)[:, None]
            loss = (each * weight).sum() / weight.sum().clamp(min=1e-6)
            (loss / config.accumulate).backward()
            if number % config.accumulate == 0 or number == len(cut):
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
            total += float(loss.detach()) * len(chosen)
            count += len(chosen)
        metrics = {"loss": total / count, **validation_auroc(trained, weeks, validation, device)}
        trained.history.append(metrics)
        if on_progress is not None:
            on_progress(Progress(epoch + 1, config.epochs, metrics))
        score = metrics.get("risk", float(np.mean([v for k, v in metrics.items() if k != "loss"] or [0.0])))
        if score > best_score + 1e-4:
            best, best_score, since_best = copy.deepcopy(network.state_dict()), score, 0
        else:
            since_best += 1
            if since_best >= config.patience:
                break
    network.load_state_dict(best)
    network.eval()
    return trained


def start_at_base_rate(network: EduPulseNetwork, examples: Examples) -> None:
    """Set the linear path's bias to the log odds of each head's share."""
    with torch.no_grad():
        for position in range(len(HEADS)):
            label = examples.labels[:, position]
            known = ~np.isnan(label)
            rate = min(max(float(label[known].mean()) if known.any() else 0.5, 0.001), 0.999)
            network.linear.bias[position] = math.log(rate / (1 - rate))


def warmup_then_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Return the factor of the learning rate at a step: a linear rise, then half a cosine to zero."""
    rise = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))

    return factor


def validation_auroc(
    trained: TrainedNetwork, weeks: StudentWeeks, examples: Examples, device: str, most: int = 8000
) -> dict[str, float]:
    """Return the AUROC of each fitted head on at most `most` validation examples, evenly taken."""
    rows = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(np.int64)
    chosen = examples.take(rows)
    logits, _ = trained.predict(weeks, chosen.row, device=device)
    found = {}
    for position, head in enumerate(HEADS):
        label = chosen.labels[:, position]
        known = ~np.isnan(label)
        if head not in trained.unfitted and len(np.unique(label[known])) == 2:
            found[head] = auroc(label[known], logits[known, position])
    return found
