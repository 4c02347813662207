"""Settings: one object, loaded once and passed down."""

from rollcall.settings.addresses import split_address
from rollcall.settings.kafka import KafkaSettings
from rollcall.settings.loading import CONFIG_VARIABLE, load_settings
from rollcall.settings.model import (
    ConsumerSettings,
    IngestSettings,
    RetentionSettings,
    Settings,
)
from rollcall.settings.page import PageSettings
from rollcall.settings.reconcile import ReconcileSettings
from rollcall.settings.sites import SiteSettings
from rollcall.settings.warehouse import WarehouseSettings

__all__ = [
    "CONFIG_VARIABLE",
    "ConsumerSettings",
    "IngestSettings",
    "KafkaSettings",
    "PageSettings",
    "ReconcileSettings",
    "RetentionSettings",
    "Settings",
    "SiteSettings",
    "WarehouseSettings",
    "load_settings",
    "split_address",
]
