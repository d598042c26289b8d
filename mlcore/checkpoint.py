"""Models as files: tensors and a JSON header in one safetensors file; nothing in it can run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mlcore.baselines import LogisticBaseline, RuleBaseline
from mlcore.calibrate import Calibrator, Neighbours
from mlcore.config import TrainConfig
from mlcore.encode import Encoder
from mlcore.network import EduPulseNetwork
from mlcore.protocol import Bundle
from mlcore.schema import FeatureSchema
from mlcore.train import TrainedNetwork

FORMAT = 1


class CheckpointError(ValueError):
    """The file is no checkpoint that this program can read; the message says why and what to do."""


def save(path: Path, bundle: Bundle, schema: FeatureSchema, *, label_definition: str = "") -> None:
    """Write a bundle; the file appears whole or not at all.

    Args:
        path: the file to write.
        bundle: what fit_and_evaluate returned; its report is kept elsewhere.
        schema: the features it reads.
        label_definition: id of the definition of the labels it learned.
    """
    tensors: dict[str, Tensor] = {}
    header: dict[str, Any] = {
        "format": FORMAT,
        "ranking": bundle.ranking,
        "why": bundle.why,
        "years": bundle.years,
        "label_definition": label_definition or bundle.label_definition,
        "schema": schema.to_dict(),
        "config": bundle.config.to_dict(),
        "rule": vars(bundle.rule),
        "calibrators": {name: found.to_dict() for name, found in bundle.calibrators.items()},
    }
    if bundle.network is not None:
        header["network"] = {"unfitted": bundle.network.unfitted}
        _add_encoder(tensors, "network", bundle.network.encoder)
        state = bundle.network.network.state_dict()
        tensors |= {f"network.{name}": value.detach().cpu().contiguous() for name, value in state.items()}
    if bundle.logistic is not None:
        header["logistic"] = {"unfitted": bundle.logistic.unfitted, "strength": bundle.logistic.strength}
        _add_encoder(tensors, "logistic", bundle.logistic.encoder)
        tensors["logistic.weight"] = torch.from_numpy(bundle.logistic.weight)
        tensors["logistic.bias"] = torch.from_numpy(bundle.logistic.bias)
    if bundle.neighbours is not None:
        tensors["neighbours.score"] = torch.from_numpy(bundle.neighbours.score)
        tensors["neighbours.outcome"] = torch.from_numpy(bundle.neighbours.outcome)
    tensors["format"] = torch.tensor([FORMAT])  # a file with no tensor at all is not valid
    header["digest"] = _digest(tensors)
    partial = path.with_name(path.name + ".part")
    save_file(tensors, str(partial), metadata={"edupulse": json.dumps(header)})
    partial.replace(path)


def _add_encoder(tensors: dict[str, Tensor], prefix: str, encoder: Encoder) -> None:
    tensors[f"{prefix}_encoder.mean"] = torch.from_numpy(encoder.mean.copy())
    tensors[f"{prefix}_encoder.deviation"] = torch.from_numpy(encoder.deviation.copy())


def _digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors, by name: one changed bit would give other scores, silently."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()


def load(path: Path) -> tuple[Bundle, FeatureSchema]:
    """Read a bundle (without its report, which lives with the model version).

    Raises:
        CheckpointError: missing, cut short, of another program or of a later format.
    """
    again = "train again or restore the file from backup"
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["edupulse"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.name} is missing; {again}") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path.name} is damaged or no EduPulse model ({error}); {again}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else None
        raise CheckpointError(
            f"{path.name} has format {found}, this program reads {FORMAT}; "
            "use the program that wrote it, or train again"
        )
    if "digest" in header and header["digest"] != _digest(tensors):
        raise CheckpointError(f"{path.name} is damaged (its contents do not match its digest); {again}")
    try:
        return _bundle(header, tensors)
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path.name} does not hold what its header says ({error}); {again}") from error


def _bundle(header: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[Bundle, FeatureSchema]:
    schema = FeatureSchema.from_dict(header["schema"])
    config = TrainConfig.from_dict(header["config"])
    bundle = Bundle(
        ranking=header["ranking"],
        why=header["why"],
        years=header["years"],
        config=config,
        rule=RuleBaseline(**header["rule"]),
        label_definition=header.get("label_definition", ""),
        calibrators={name: Calibrator.from_dict(data) for name, data in header["calibrators"].items()},
    )

    def encoder(prefix: str) -> Encoder:
        mean, deviation = (tensors[f"{prefix}_encoder.{name}"].numpy() for name in ("mean", "deviation"))
        if mean.shape != (len(schema.features),) or deviation.shape != mean.shape:
            raise ValueError(f"{len(mean)} scales for {len(schema.features)} features")
        return Encoder(schema, mean, deviation)

    if "network" in header:
        found = encoder("network")
        network = EduPulseNetwork(*found.widths(), config.network)
        state = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        network.load_state_dict(state)
        bundle.network = TrainedNetwork(network.eval(), found, config, header["network"]["unfitted"])
    if "logistic" in header:
        bundle.logistic = LogisticBaseline(
            encoder("logistic"),
            tensors["logistic.weight"].numpy(),
            tensors["logistic.bias"].numpy(),
            **header["logistic"],
        )
    if "neighbours.score" in tensors:
        bundle.neighbours = Neighbours(
            tensors["neighbours.score"].numpy().astype(np.float32),
            tensors["neighbours.outcome"].numpy().astype(np.float32),
        )
    return bundle, schema
