"""Training as the district sees it: records as of a day in, a judged and stored model version out."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.db import transaction

from features.calendar import load_calendar
from features.definitions import schema
from features.labels import examples, label_definition_id
from features.windows import student_weeks
from mlcore import checkpoint
from mlcore.baselines import RuleBaseline
from mlcore.config import ConfigError, TrainConfig
from mlcore.predictor import choose_device
from mlcore.protocol import Bundle, fit_and_evaluate
from predictions.gates import hold_reason
from predictions.models import ModelVersion, TrainingRun
from predictions.promotion import promote
from students.models import AuditEvent, District, Threshold

Progress = Callable[[float, str], None]


class CannotTrain(ValueError):
    """There is nothing to learn from; the message says what is missing."""


def district_rule(as_of: dt.date) -> RuleBaseline:
    """Return the plain rule with the thresholds in force."""
    limits = Threshold.objects.values_on(as_of)
    return RuleBaseline(absence_rate=limits["absence_rate"], suspension_days=limits["suspension_days"])


def train(run: TrainingRun, on_progress: Progress | None = None) -> ModelVersion:
    """Fit, judge and store a model as of the run's day; the first one good enough goes live at once.

    A failure is kept on the run and raised. A run that is at work elsewhere is refused.

    Raises:
        CannotTrain: no weekly features, or the run was taken by another process.
    """
    if not run.claim():
        raise CannotTrain(f"this training is already {run.get_state_display().lower()}")

    def say(share: float, stage: str) -> None:
        run.advance(share, stage)
        if on_progress is not None:
            on_progress(share, stage)

    with run.kept():
        model = _train(run, say)
        run.result = model
        run.epochs = model.metrics.get("epochs", [])
        run.save(update_fields=["result", "epochs"])
    return model


def training_device() -> str:
    """Return the device that the settings name; CannotTrain where this process does not see it."""
    try:
        return choose_device(settings.MODEL_DEVICE)
    except RuntimeError as error:
        raise CannotTrain(str(error)) from error


def training_config(run: TrainingRun) -> TrainConfig:
    """Return the run's configuration: its own seed, else the configuration's, else the default.

    Raises:
        ConfigError: an unknown name, a value out of range or of the wrong kind.
    """
    chosen = dict(run.config)
    if run.seed:
        chosen["seed"] = run.seed
    try:
        return TrainConfig.from_dict(chosen)
    except TypeError as error:
        raise ConfigError(f"the configuration holds a value of the wrong kind: {error}") from error


def _train(run: TrainingRun, say: Progress) -> ModelVersion:
    district = District.current()
    config = training_config(run)
    say(0.01, "reading weekly features")
    weeks, facts = student_weeks(run.as_of, whole_history=True)
    if not len(weeks):
        raise CannotTrain("there are no weekly features yet; import records and run extract_features first")
    say(0.05, "labelling")
    labelled = examples(weeks, facts, run.as_of)
    bundle = fit_and_evaluate(
        weeks,
        labelled,
        config,
        rule=district_rule(run.as_of),
        device=training_device(),
        on_progress=lambda stage, share: say(0.1 + 0.85 * share, stage),
    )
    say(0.96, "storing")
    model = _store(run, bundle, district)
    AuditEvent.record("train", "model", model.version, actor=run.requested_by, ranking=model.ranking)
    model.hold_reason = hold_reason(bundle, ModelVersion.objects.live())
    if model.hold_reason:
        model.save(update_fields=["hold_reason"])
    else:
        promote(model.version, user=run.requested_by)
        model.refresh_from_db()
    return model


def _store(run: TrainingRun, bundle: Bundle, district: District) -> ModelVersion:
    years = load_calendar().school_years.sort("first")["school_year"].unique(maintain_order=True).to_list()
    thresholds = Threshold.objects.values_on(run.as_of)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        checkpoint.save(path, bundle, schema())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        version = f"{run.as_of}-{digest[:6]}"
        taken = ModelVersion.objects.filter(version__startswith=version).count()
        if taken:
            version = f"{version}-{taken + 1}"
        model = ModelVersion(
            version=version,
            ranking=bundle.ranking,
            artifact_sha256=digest,
            feature_version=schema().version,
            schema=schema().to_dict(),
            config=bundle.config.to_dict(),
            label_definition=label_definition_id(district, thresholds),
            as_of=run.as_of,
            trained_years=[years[i] for i in bundle.years],
            seed=bundle.config.seed,
            metrics=bundle.report,
        )
        with transaction.atomic(), path.open("rb") as file:
            model.artifact.save(f"{version}.safetensors", File(file), save=False)
            model.save()
    return model
