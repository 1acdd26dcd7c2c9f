"""From the name of a model to the model, through open_clip's own loader, with faults told as settings."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.factory import parse_model_name
from open_clip.pretrained import get_pretrained_cfg
from PIL import Image

from monitor.errors import SettingsError

CONFIG = "open_clip_config.json"
WEIGHTS = (".safetensors", ".bin", ".pth")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with trained weights on the CPU, and what prepares its inputs."""

    name: str
    model: torch.nn.Module
    preprocess: Callable[[Image.Image], torch.Tensor]
    preprocess_config: dict[str, Any]
    """Size, mean, standard deviation, interpolation and resize mode."""
    tokenizer: Callable[[list[str]], torch.Tensor]
    architecture: dict[str, Any]
    """open_clip's own description of the towers."""


def load(model: str, pretrained: str | None) -> LoadedModel:
    """Load a model with its weights.

    Args:
        model: an architecture that open_clip knows, `local-dir:PATH` or `hf-hub:ORGANISATION/NAME`.
        pretrained: for an architecture, a tag of open_clip or a checkpoint file; None for the others.

    Raises:
        SettingsError: unknown name, missing or unfitting weights; says what to give instead.
    """
    schema, name = _parse(model)
    if schema is None:
        model = name = name.replace("/", "-")
        _check_architecture(name, pretrained)
    elif pretrained:
        raise SettingsError(f"embedder.pretrained: {pretrained!r} has no effect beside {model!r}; leave it out")
    if schema == "local-dir":
        _check_folder(Path(name))
        name = _given_name(Path(name))
    quick_gelu = bool(get_pretrained_cfg(name, pretrained or "").get("quick_gelu"))
    try:
        network, preprocess = open_clip.create_model_from_pretrained(model, pretrained, force_quick_gelu=quick_gelu)
        tokenizer = open_clip.get_tokenizer(model)
        architecture = open_clip.get_model_config(model)
    except Exception as error:  # open_clip raises whatever the network, the file or the configuration trips over
        raise SettingsError(_load_fault(model, pretrained, error)) from error
    architecture |= {"quick_gelu": quick_gelu or architecture.get("quick_gelu", False)}
    return LoadedModel(name, network.eval(), preprocess, network.visual.preprocess_cfg, tokenizer, architecture)


def _parse(model: str) -> tuple[str | None, str]:
    try:
        schema, name = parse_model_name(model)
    except ValueError as error:
        raise SettingsError(f"embedder.model: {model!r}: {error}") from None
    return schema, name


def _check_architecture(name: str, pretrained: str | None) -> None:
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:3]
        raise SettingsError(
            f"embedder.model: open_clip knows no {name!r}; near it: {', '.join(near)}; or give local-dir:PATH"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    choice = f"give a tag ({', '.join(tags) or 'none is known for it'}) or a checkpoint file"
    if not pretrained:
        raise SettingsError(f"embedder.pretrained: {name} needs weights; {choice}")
    if not get_pretrained_cfg(name, pretrained) and not Path(pretrained).is_file():
        raise SettingsError(f"embedder.pretrained: {pretrained!r} is neither a tag of {name} nor a file; {choice}")


def _check_folder(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        raise SettingsError(f"embedder.model: {folder / CONFIG} is missing; local-dir: needs it and the weights")
    if not any(file.suffix in WEIGHTS for file in folder.iterdir()):
        raise SettingsError(f"embedder.model: no weights in {folder}; put open_clip_model.safetensors beside {CONFIG}")


def _given_name(folder: Path) -> str:
    """The field `name` of the folder's configuration (open_clip itself does not read it); `local` without one."""
    try:
        config = json.loads((folder / CONFIG).read_text())
        return str(config.get("name", "local"))
    except (ValueError, AttributeError) as error:
        raise SettingsError(f"embedder.model: {folder / CONFIG} is not a JSON object: {error}") from None


def _load_fault(model: str, pretrained: str | None, error: Exception) -> str:
    reason = f"{type(error).__name__}: {error}"
    if pretrained and Path(pretrained).is_file():
        return f"embedder.pretrained: {pretrained} does not fit {model}: {reason}"
    if model.startswith("local-dir:"):
        return f"embedder.model: {model} cannot be loaded: {reason}"
    return (
        f"embedder: the weights of {model} ({pretrained}) could not be fetched: {reason}; fetch them where there is "
        "a network, and name the file in embedder.pretrained or its folder as local-dir:PATH in embedder.model"
    )
