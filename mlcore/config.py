"""What can be chosen about a network and its training. Saved whole in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


class ConfigError(ValueError):
    """A configuration names something unknown or out of range."""


class _Checked:
    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        known = {entry.name for entry in fields(cls)}  # type: ignore[arg-type]  # subclasses are dataclasses
        unknown = sorted(set(data) - known)
        if unknown:
            raise ConfigError(
                f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            )
        return cls(**data)


@dataclass(frozen=True)
class NetworkConfig(_Checked):
    hidden: int = 32  # per modality; cost grows with its square
    heads: int = 4
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.heads < 1 or (3 * self.hidden) % self.heads:
            raise ConfigError(f"3 x hidden ({3 * self.hidden}) must be a multiple of heads ({self.heads})")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout} but must lie in [0, 1)")


@dataclass(frozen=True)
class TrainConfig(_Checked):
    network: NetworkConfig = field(default_factory=NetworkConfig)
    epochs: int = 10
    batch_size: int = 256
    accumulate: int = 1  # batches whose gradients are added before a step
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1  # share of all steps over which the rate rises
    patience: int = 3  # epochs without improvement before it stops
    auxiliary_weight: float = 0.3  # of each near-term head beside risk
    week_dropout: float = 0.05  # share of weeks hidden at random while training
    max_examples_per_epoch: int = 12_000  # drawn anew each epoch: weeks of one student say much the same
    validation_share: float = 0.15  # of persons, for early stopping
    seed: int = 7
    threads: int = 1  # of torch and BLAS; on small batches more of them wait for each other
    boosting: bool = True  # measure gradient boosting beside the others

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "patience", "max_examples_per_epoch", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)} but must be at least 1")
        for name in ("warmup", "week_dropout", "validation_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)} but must lie in [0, 1)")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        network = data.get("network", {})
        if isinstance(network, dict):
            data = {**data, "network": NetworkConfig.from_dict(network)}
        return super().from_dict(data)
