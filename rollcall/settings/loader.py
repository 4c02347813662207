"""Load the settings: rollcall.toml, overridden by the environment."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, TomlConfigSettingsSource
from pydantic_settings import SettingsError as SourceError

from rollcall.errors import SettingsError
from rollcall.settings.model import Settings

DEFAULT_FILE = Path("rollcall.toml")
PREFIX = "ROLLCALL_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_FOR_TESTS = ("TEST_", "REQUIRE_", "SCREENSHOTS")
"""How variables of the test suite begin, which share the prefix."""
_JSON = 'in the environment a list is JSON, such as ["one", "two"], and so is a group, such as {"name": "value"}'


def load_settings(config: Path | None = None) -> Settings:
    """Load all settings.

    Args:
        config: The TOML file; None takes ``ROLLCALL_CONFIG``, else ``rollcall.toml`` if it is there.

    Returns:
        The settings, with environment variables ``ROLLCALL_…`` (nested by ``__``) winning over the file.

    Raises:
        SettingsError: The file is missing or no TOML, or a value is unusable; the text names each setting and
            never repeats a secret.
    """
    path = settings_file(config)
    _refuse_unknown_variables()

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            toml = [TomlConfigSettingsSource(settings_cls, toml_file=path)] if path else []
            return (init_settings, env_settings, *toml)

    try:
        return FromFile()
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from None
    except SourceError as error:
        raise SettingsError(_unreadable_variable() or f"environment: {error}") from None
    except ValueError as error:
        raise SettingsError(f"{path or 'environment'}: {error}") from None
    except OSError as error:
        where = error.filename or path or "a file that the settings name"
        raise SettingsError(f"cannot read {where} ({error.strerror}); check the path and who may read it") from None


def settings_file(config: Path | None) -> Path | None:
    """Return the file that settings are read from; None where there is none. Raises SettingsError.

    Args:
        config: The file that was named; None takes ``ROLLCALL_CONFIG``, else ``rollcall.toml`` if it is there.
    """
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    try:
        if named is None:
            return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
        if named.is_dir():
            raise SettingsError(
                f"settings file {named} is a folder; name the file in it, such as {named / DEFAULT_FILE}"
            )
        if not named.is_file():
            raise SettingsError(f"settings file {named} is not there; name it with --config or {CONFIG_VARIABLE}")
    except OSError as error:  # of a folder that may not be entered
        raise SettingsError(f"cannot read {error.filename} ({error.strerror}); check who may read it") from None
    return named


def _refuse_unknown_variables() -> None:
    """Notice a slip in a variable's name: pydantic-settings reads only the names it knows."""
    known = {name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE.removeprefix(PREFIX)}
    for variable in os.environ:
        if variable.upper().startswith(PREFIX):
            name = variable.upper().removeprefix(PREFIX).partition("__")[0]
            if name not in known and not name.startswith(_FOR_TESTS):
                raise SettingsError(f"environment variable {variable}: there is no such setting; see docs/settings.md")


def _unreadable_variable() -> str:
    """Find the variable that pydantic-settings could not read: it names only the group, such as ``sites``.

    Returns:
        What to say, without the value, which may be a secret; empty when each alone can be read.
    """
    source = EnvSettingsSource(Settings)
    for variable, value in source.env_vars.items():
        alone = EnvSettingsSource(Settings)
        alone.env_vars = {variable: value}
        try:
            alone()
        except SourceError:
            setting = variable.lower().removeprefix(PREFIX.lower()).replace("__", ".")
            return f"environment variable {variable.upper()} cannot be read as {setting}: {_JSON}"
    return ""


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = [f"settings cannot be used ({path or 'no rollcall.toml found; environment only'}):"]
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines += [f"  {_name(problem['loc'])}: {_reason(problem['type'], problem['msg'])}" for problem in problems]
    lines.append("Every setting is described in docs/settings.md.")
    return "\n".join(lines)


def _name(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "settings"


def _reason(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such setting"
    if kind == "list_type":
        return f"is no list; {_JSON}"
    return message.removeprefix("Value error, ")
