"""The ground floor: records, settings, the event log and the warehouse that every part stands on."""

__version__ = "0.1.0"
