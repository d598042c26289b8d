"""Which features a model reads, by name; a position in an array never means anything by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["attendance", "grades", "discipline", "static"]
MODALITIES: tuple[Modality, ...] = ("attendance", "grades", "discipline")
HEADS = ("attendance", "behavior", "course", "risk")
RISK = HEADS.index("risk")


class SchemaMismatch(ValueError):
    """The data lack columns that the model reads; the message names them."""


@dataclass(frozen=True)
class FeatureSpec:
    """One feature. `relative`: also read standardised against the same school, grade and week."""

    name: str
    modality: Modality
    revision: int = 1
    relative: bool = False


@dataclass(frozen=True)
class FeatureSchema:
    features: tuple[FeatureSpec, ...]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"features named twice: {', '.join(doubled)}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def version(self) -> str:
        """Return 12 hex digits of the SHA-256 over the sorted `name:revision` pairs."""
        parts = sorted(f"{feature.name}:{feature.revision}" for feature in self.features)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    def index(self, modality: Modality) -> NDArray[np.int64]:
        """Return the columns of a modality, in order. Shape [n]."""
        return np.array([i for i, f in enumerate(self.features) if f.modality == modality], dtype=np.int64)

    @cached_property
    def relative(self) -> NDArray[np.int64]:
        """Return the columns that are also read relative to the cohort. Shape [n]."""
        return np.array([i for i, f in enumerate(self.features) if f.relative], dtype=np.int64)

    def column(self, name: str) -> int:
        """Return a feature's column; SchemaMismatch where there is none."""
        self.require([name])
        return self.names.index(name)

    def require(self, names: Iterable[str]) -> None:
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise SchemaMismatch(f"the data lack the features {', '.join(missing)}; extract them first")

    def require_revisions(self, other: FeatureSchema) -> None:
        """Check that `other` holds every feature of this schema, computed in the same way.

        Raises:
            SchemaMismatch: names the features that are missing or of another revision.
        """
        other.require(self.names)
        held = {feature.name: feature.revision for feature in other.features}
        moved = [
            f"{feature.name} (model {feature.revision}, data {held[feature.name]})"
            for feature in self.features
            if held[feature.name] != feature.revision
        ]
        if moved:
            raise SchemaMismatch(
                f"features are computed in another way than the model learned: {', '.join(moved)}; train again"
            )

    def select(self, names: Iterable[str]) -> FeatureSchema:
        """Return the schema of these features alone, in the order given."""
        wanted = list(names)
        self.require(wanted)
        by_name = {feature.name: feature for feature in self.features}
        return FeatureSchema(tuple(by_name[name] for name in wanted))

    def to_dict(self) -> dict[str, Any]:
        return {"features": [vars(feature) for feature in self.features]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FeatureSchema:
        return cls(tuple(FeatureSpec(**feature) for feature in data["features"]))
