"""The network: a GRU per modality, attention across weeks, fusion, and a linear path beside it all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlcore.config import NetworkConfig
from mlcore.encode import Batch
from mlcore.schema import HEADS, MODALITIES


class EduPulseNetwork(nn.Module):
    """Four heads over a student's window.

    The linear path from the window's summary to each head makes logistic regression a special case, so
    that the recurrent part has only to learn what a linear model cannot say.
    """

    def __init__(self, widths: dict[str, int], static: int, summary: int, config: NetworkConfig) -> None:
        """Args: width of each modality's weekly input, of the static input and of the summary."""
        super().__init__()
        hidden = config.hidden
        joined = hidden * len(MODALITIES)
        self.recurrent = nn.ModuleDict(
            {name: nn.GRU(widths[name], hidden, batch_first=True) for name in MODALITIES}
        )
        self.attention = nn.MultiheadAttention(joined, config.heads, batch_first=True)
        self.fusion = nn.Sequential(
            nn.Linear(2 * joined + static, 2 * hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * hidden, len(HEADS)),
        )
        self.drop = nn.Dropout(config.dropout)
        self.linear = nn.Linear(summary, len(HEADS))
        # Both paths begin at zero effect, so that training starts from the base rate.
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits [B, 4] and the attention over the weeks of the window [B, L] (sums to 1)."""
        longest = next(iter(batch.modalities.values())).shape[1]
        # Windows are aligned left and a GRU reads forward only, so what stands behind the last week cannot
        # reach it: padded batches need no packing, which costs twice the time.
        states = [self.recurrent[name](batch.modalities[name])[0] for name in MODALITIES]
        weekly = torch.cat(states, dim=-1)  # [B, L, 3H]
        everyone = torch.arange(len(batch.length), device=weekly.device)
        last = weekly[everyone, batch.length - 1]  # [B, 3H]
        outside = torch.arange(longest, device=weekly.device) >= batch.length[:, None]
        context, attention = self.attention(
            last.unsqueeze(1), weekly, weekly, key_padding_mask=outside, average_attn_weights=True
        )
        fused = self.drop(torch.cat([context.squeeze(1), last, batch.static], dim=-1))
        return self.fusion(fused) + self.linear(batch.summary), attention.squeeze(1)
