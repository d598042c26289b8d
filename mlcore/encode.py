"""From raw windows to what the network and the logistic regression read.

Each feature becomes its standardised value (0 where missing) and a flag that it is missing; a relative
feature also its deviation from the cohort of that week. Scales are learned from training rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlcore.data import Floats, Ints, StudentWeeks, Windows, batches, gather
from mlcore.schema import MODALITIES, FeatureSchema

CLIP = 5.0  # deviations; beyond that a value says no more than "extreme"
TREND = 4  # weeks between the two ends of a trend


@dataclass
class Batch:
    """What a forward pass reads.

    modalities: name → [B, L, W]; static [B, S]; summary [B, Q]; length [B].
    """

    modalities: dict[str, Tensor]
    static: Tensor
    summary: Tensor
    length: Tensor


@dataclass(frozen=True)
class Encoder:
    """The scales of a fitted model. mean, deviation: [F]."""

    schema: FeatureSchema
    mean: Floats
    deviation: Floats

    @classmethod
    def fit(cls, weeks: StudentWeeks, rows: Ints) -> Encoder:
        """Learn mean and deviation from the rows named (each once), missing values left out."""
        values = weeks.values[np.unique(rows)].astype(np.float64)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
        spread[spread < 1e-6] = 1.0
        return cls(weeks.schema, mean.astype(np.float32), spread.astype(np.float32))

    def widths(self) -> tuple[dict[str, int], int, int]:
        """Return the width of each modality's input, of the static input and of the summary."""
        relative = set(self.schema.relative.tolist())
        widths: dict[str, int] = {}
        for modality in MODALITIES:
            columns = self.schema.index(modality).tolist()
            widths[modality] = 2 * len(columns) + len(relative & set(columns)) + 2
        static = 2 * len(self.schema.index("static"))
        features = len(self.schema.features)
        return widths, static, 4 * features + len(relative)

    def batch(self, windows: Windows, device: str | torch.device = "cpu") -> Batch:
        """Encode raw windows."""
        raw = torch.from_numpy(windows.values).to(device)
        relative = torch.from_numpy(windows.relative).to(device)
        return self.encode(
            raw,
            relative,
            torch.from_numpy(windows.present).to(device),
            torch.from_numpy(windows.gap).to(device),
            torch.from_numpy(windows.length).to(device),
        )

    def encode(self, raw: Tensor, relative: Tensor, present: Tensor, gap: Tensor, length: Tensor) -> Batch:
        """Encode tensors; differentiable in `raw` and `relative` where they are not missing.

        Args:
            raw: [B, L, F] with NaN.
            relative: [B, L, Q] with NaN.
            present: [B, L, 3] bool.
            gap: [B, L] weeks since the row before.
            length: [B].
        """
        mean = torch.as_tensor(self.mean, device=raw.device)
        deviation = torch.as_tensor(self.deviation, device=raw.device)
        missing = torch.isnan(raw)
        value = ((torch.nan_to_num(raw) - mean) / deviation).clamp(-CLIP, CLIP)
        value = torch.where(missing, torch.zeros((), device=raw.device), value)
        flag = missing.to(value.dtype)
        against = torch.nan_to_num(relative).clamp(-CLIP, CLIP)

        relative_columns = self.schema.relative.tolist()
        modalities: dict[str, Tensor] = {}
        for position, modality in enumerate(MODALITIES):
            columns = self.schema.index(modality).tolist()
            own = [i for i, column in enumerate(relative_columns) if column in set(columns)]
            modalities[modality] = torch.cat(
                [
                    value[..., columns],
                    flag[..., columns],
                    against[..., own],
                    present[..., position : position + 1].to(value.dtype),
                    torch.log(gap).unsqueeze(-1),
                ],
                dim=-1,
            )
        everyone = torch.arange(len(length), device=raw.device)
        last = length - 1
        before = (last - TREND).clamp(min=0)
        inside = (torch.arange(raw.shape[1], device=raw.device) < length[:, None]).to(value.dtype)
        average = (value * inside.unsqueeze(-1)).sum(1) / length[:, None]
        now = value[everyone, last]
        summary = torch.cat(
            [
                now,
                flag[everyone, last],
                now - value[everyone, before],
                average,
                against[everyone, last],
            ],
            dim=-1,
        )
        static = self.schema.index("static").tolist()
        return Batch(
            modalities=modalities,
            static=torch.cat([now[:, static], flag[everyone, last][:, static]], dim=-1),
            summary=summary,
            length=length,
        )

    def summaries(self, weeks: StudentWeeks, rows: Ints, batch_size: int = 4096) -> Floats:
        """Return the summary of each window, [N, Q]: what the logistic regression reads."""
        out = np.zeros((len(rows), self.widths()[2]), dtype=np.float32)
        with torch.no_grad():
            for at in batches(weeks, rows, batch_size):
                out[at] = self.batch(gather(weeks, rows[at])).summary.numpy()
        return out
