"""Weight files: safetensors in fp16 with a config.json and a model card beside them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.errors import FreckleError

if TYPE_CHECKING:
    import torch

    from vision.detector import Gate, NetworkConfig
    from vision.retoucher import RetouchNetwork

RETOUCH_FOLDER = Path(__file__).parent / "weights" / "retouch"


def save_network(network: RetouchNetwork, prompts: torch.Tensor, folder: Path) -> Path:
    """Write model.safetensors (fp16, with the embeddings of the pre-defined prompts, (K, text))
    and the architecture into `folder`; other keys of config.json (licence, source) stay."""
    import torch
    from safetensors.torch import save_file

    from vision.detector import Gate

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().to(torch.float16).cpu().contiguous()
               for name, value in network.state_dict().items()}  # fmt: skip
    tensors["prompts"] = prompts.to(torch.float16).contiguous()
    file, part = folder / "model.safetensors", folder / "model.part"
    save_file(tensors, part)
    part.replace(file)
    # New weights know nothing of the old calibration.
    _write_config(folder, network=asdict(network.config), gate=asdict(Gate()))
    return file


def load_network(folder: Path = RETOUCH_FOLDER) -> tuple[RetouchNetwork, torch.Tensor]:
    """The network in evaluation mode and its prompt embeddings (K, text), both float32.

    Raises:
        FreckleError: a file is missing or does not fit this version.
    """
    from safetensors.torch import load_file

    from vision.retoucher import RetouchNetwork

    for name in ("model.safetensors", "config.json"):
        if not (folder / name).is_file():
            raise FreckleError(f"{folder / name} is missing; reinstall freckle or train it anew")
    tensors = {
        name: value.float() for name, value in load_file(folder / "model.safetensors").items()
    }
    prompts = tensors.pop("prompts")
    network = RetouchNetwork(_config(folder / "config.json"))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise FreckleError(
            f"{folder} holds weights of another version; reinstall freckle or train it anew"
        ) from error
    return network.eval(), prompts


def load_gate(folder: Path = RETOUCH_FOLDER) -> Gate:
    """The calibrated gate of the weights in `folder`."""
    from vision.detector import Gate

    stored = json.loads((folder / "config.json").read_text())["gate"]
    return Gate(**{name: tuple(values) for name, values in stored.items()})


def save_gate(gate: Gate, folder: Path) -> None:
    """Store a calibration beside the weights."""
    _write_config(folder, gate=asdict(gate))


def _write_config(folder: Path, **entries: Any) -> None:
    """Put entries into config.json, whole or not at all; other keys stay."""
    config, part = folder / "config.json", folder / "config.part"
    stored = json.loads(config.read_text()) if config.exists() else {}
    part.write_text(json.dumps({**stored, **entries}, indent=1) + "\n")
    part.replace(config)


def _config(file: Path) -> NetworkConfig:
    from vision.detector import NetworkConfig

    stored: dict[str, Any] = json.loads(file.read_text())["network"]
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return NetworkConfig(**values)
