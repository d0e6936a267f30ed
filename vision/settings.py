"""One settings object: flags beat `FRECKLE_*` variables, which beat a TOML file.

The TOML file is `freckle.toml` in the user's configuration folder, or the one that
`FRECKLE_CONFIG` names.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from platformdirs import user_config_path, user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from vision.errors import FreckleError

if TYPE_CHECKING:
    import torch


class Settings(BaseSettings):
    """Where models run, which one reads messages, where memory lives and what it does.

    `model` is "embedded", the folder or hub id of a causal model of transformers (or the folder of
    an adapter for one), or `NAME@URL` for a model on a server that speaks OpenAI's protocol, which
    gets `api_key` and has `model_timeout` seconds for an answer.

    `scene_clip` names a CLIP (NAME:WEIGHTS as open_clip lists them, or a folder) that tells where
    a photo was taken; without it that stays unknown. `keep_chats` stores the messages of named
    users, too.

    Raises:
        FreckleError: the TOML file cannot be read, or `FRECKLE_CONFIG` names none.
        ValidationError: a value is not what it must be.
    """

    model_config = SettingsConfigDict(env_prefix="FRECKLE_", extra="forbid", frozen=True)

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    model: str = "embedded"
    model_timeout: float = Field(30.0, gt=0)
    api_key: SecretStr | None = None
    database_url: str = f"sqlite:///{user_data_path('freckle') / 'memory.db'}"
    scene_clip: str | None = None
    keep_chats: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get("FRECKLE_CONFIG")
        file = Path(named) if named else user_config_path("freckle") / "freckle.toml"
        if named and not os.path.isfile(file):
            raise FreckleError(f"FRECKLE_CONFIG names {file}: no such file; correct or unset it")
        try:
            toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise FreckleError(f"{file} cannot be read as TOML ({error}); correct it") from error
        return init_settings, env_settings, toml


def device_of(name: str) -> torch.device:
    """The device of that name.

    Raises:
        FreckleError: this machine does not have it.
    """
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise FreckleError(f"no device {name} on this machine; use --device cpu") from error
    return device
