"""Weight files: safetensors in fp16 with a config.json and a model card beside them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.errors import FreckleError

if TYPE_CHECKING:
    import torch

    from vision.detector import Gate, NetworkConfig
    from vision.retoucher import RetouchNetwork

RETOUCH_FOLDER = Path(__file__).parent / "weights" / "retouch"
# Of the network that finds what skin is like all over (`vocabulary.SKIN_KINDS`).
SKIN_FOLDER = Path(__file__).parent / "weights" / "skin"
# Of the shipped tower. From here on the nearest kind is the right one four times in five, by a
# logistic fit on phrases each against all others and on things that are no imperfection, 5 % of
# what is said (`training.evaluate.detection`).
_LEAST_LIKENESS = 0.585


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
    if _same(file, tensors):  # a finished run that is called again; what was calibrated holds
        return file
    save_file(tensors, part)
    part.replace(file)
    # New weights know nothing of the old calibration.
    _write_config(folder, network=asdict(network.config), gate=asdict(Gate()), least_likeness=None)
    return file


def _same(file: Path, tensors: dict[str, torch.Tensor]) -> bool:
    """Whether a file holds just these."""
    import torch
    from safetensors.torch import load_file

    stored = load_file(file) if file.is_file() else {}
    return stored.keys() == tensors.keys() and all(
        torch.equal(stored[name], value) for name, value in tensors.items()
    )


def load_network(folder: Path = RETOUCH_FOLDER) -> tuple[RetouchNetwork, torch.Tensor]:
    """The network in evaluation mode and its prompt embeddings (K, text), both float32.

    Raises:
        FreckleError: a file is missing or does not fit this version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from vision.retoucher import RetouchNetwork

    for name in ("model.safetensors", "config.json"):
        if not (folder / name).is_file():
            raise FreckleError(f"{folder / name} is missing; reinstall freckle or train it anew")
    try:
        tensors = {
            name: value.float() for name, value in load_file(folder / "model.safetensors").items()
        }
        prompts = tensors.pop("prompts")
        stored = json.loads((folder / "config.json").read_text())["network"]
        network = RetouchNetwork(network_config(stored))
        network.load_state_dict(tensors)
    except (RuntimeError, TypeError, KeyError, ValueError, SafetensorError) as error:
        raise FreckleError(
            f"{folder} holds weights of another version; reinstall freckle or train it anew"
        ) from error
    return network.eval(), prompts


def load_calibration(folder: Path = RETOUCH_FOLDER) -> tuple[Gate, float]:
    """The gate of the weights in `folder`, and the likeness from which words are believed to mean
    a kind: none, of a text tower that was never calibrated."""
    from vision.detector import Gate

    stored = json.loads((folder / "config.json").read_text())
    ships = stored["network"].get("tower", "minilm") == "minilm"
    least = stored.get("least_likeness", _LEAST_LIKENESS if ships else math.inf)
    return Gate(**{name: tuple(values) for name, values in stored["gate"].items()}), least


def save_calibration(gate: Gate, least_likeness: float, folder: Path) -> None:
    """Store a calibration beside the weights."""
    _write_config(folder, gate=asdict(gate), least_likeness=least_likeness)


def _write_config(folder: Path, **entries: Any) -> None:
    """Put entries into config.json, whole or not at all, taking out those that are None; other keys
    stay."""
    config, part = folder / "config.json", folder / "config.part"
    stored = json.loads(config.read_text()) if config.exists() else {}
    known = {name: value for name, value in (stored | entries).items() if value is not None}
    part.write_text(json.dumps(known, indent=1) + "\n")
    part.replace(config)


def network_config(stored: dict[str, Any]) -> NetworkConfig:
    """The architecture as JSON has it, where tuples are lists."""
    from vision.detector import NetworkConfig

    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return NetworkConfig(**values)
