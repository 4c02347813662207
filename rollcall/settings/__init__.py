"""Settings: one object, loaded once and passed down."""

from rollcall.settings.loader import CONFIG_VARIABLE, load_settings, settings_file
from rollcall.settings.model import Settings
from rollcall.settings.page import PageSettings
from rollcall.settings.parts import (
    ConsumerSettings,
    IngestSettings,
    PrivacySettings,
    ReconcileSettings,
    RetentionSettings,
)
from rollcall.settings.seats import Exemption, OrganizationSettings, ProductSettings, SeatsSettings
from rollcall.settings.servers import KafkaSettings, WarehouseSettings
from rollcall.settings.sites import Credentials, SiteSettings

__all__ = [
    "CONFIG_VARIABLE",
    "ConsumerSettings",
    "Credentials",
    "Exemption",
    "IngestSettings",
    "KafkaSettings",
    "OrganizationSettings",
    "PageSettings",
    "PrivacySettings",
    "ProductSettings",
    "ReconcileSettings",
    "RetentionSettings",
    "SeatsSettings",
    "Settings",
    "SiteSettings",
    "WarehouseSettings",
    "load_settings",
    "settings_file",
]
