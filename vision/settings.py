"""One settings object: flags beat `FRECKLE_*` variables, which beat a TOML file.

The TOML file is `freckle.toml` in the user's configuration folder, or the one that
`FRECKLE_CONFIG` names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_data_path
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Where models run and where memory lives."""

    model_config = SettingsConfigDict(env_prefix="FRECKLE_", extra="forbid")

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    database_url: str = f"sqlite:///{user_data_path('freckle') / 'memory.db'}"

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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)
