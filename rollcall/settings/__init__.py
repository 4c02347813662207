"""Settings: one object, loaded once and passed down."""

from rollcall.settings.loading import CONFIG_VARIABLE, load_settings
from rollcall.settings.model import (
    ConsumerSettings,
    IngestSettings,
    RetentionSettings,
    Settings,
    split_address,
)
from rollcall.settings.sites import SiteSettings

__all__ = [
    "CONFIG_VARIABLE",
    "ConsumerSettings",
    "IngestSettings",
    "RetentionSettings",
    "Settings",
    "SiteSettings",
    "load_settings",
    "split_address",
]
