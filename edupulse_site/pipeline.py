"""The nightly order: imports that wait, then features, then scores with reasons for the flagged.

Each stage asks the database what is stale, so a night that was missed is made good by the next.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass

from features.pipeline import ExtractionSummary, extract
from ingestion.loading import run_import
from ingestion.models import HistoricalDataImport
from predictions.models import ModelVersion, ScoringRun
from predictions.scoring import score

Progress = Callable[[str, float, str], None]
log = logging.getLogger("edupulse.nightly")


@dataclass(frozen=True)
class NightSummary:
    """What a night did. `scoring` is None where no model is in use yet."""

    imports: int
    imports_failed: int
    features: ExtractionSummary
    scoring: ScoringRun | None


def run_nightly(as_of: dt.date, on_progress: Progress | None = None) -> NightSummary:
    """Bring everything up to `as_of`."""
    say = on_progress or (lambda stage, share, detail: None)
    waiting = list(
        HistoricalDataImport.objects.filter(state=HistoricalDataImport.State.QUEUED)
        .order_by("created_at")
        .values_list("pk", flat=True)
    )
    failed = 0
    for pk in waiting:
        try:
            run_import(pk, on_progress=lambda share, stage: say("import", share, stage))
        except Exception:  # its row says that it failed; the others' night goes on
            log.exception("import %s failed", pk)
            failed += 1
    features = extract(as_of, on_progress=lambda share, stage: say("features", share, stage))
    scoring = None
    if ModelVersion.objects.live() is not None:
        scoring = score(
            ScoringRun.objects.create(as_of=as_of, reason="nightly"),
            lambda share, stage: say("scores", share, stage),
        )
    return NightSummary(len(waiting), failed, features, scoring)
