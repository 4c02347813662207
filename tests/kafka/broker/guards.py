"""Listeners that ask who is there: SASL with PLAIN and SCRAM, and TLS."""

from collections.abc import Sequence

from tests.kafka.broker.certificates import Certificates

USER = "rollcall"
PASSWORD = "a-password-for-tests"
GUARDED: Sequence[str] = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")
_SECURITY = "org.apache.kafka.common.security"


def guard_properties(certificates: Certificates) -> dict[str, object]:
    """Return what a broker needs beside the listeners themselves."""
    properties: dict[str, object] = {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": certificates.broker,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": certificates.authority,
        "listener.name.ssl.ssl.client.auth": "required",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        prefix = f"listener.name.{listener}"
        plain = f'{_SECURITY}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        properties[f"{prefix}.plain.sasl.jaas.config"] = plain
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{_SECURITY}.scram.ScramLoginModule required;"
    return properties


def user_options() -> list[str]:
    """Return the storage tool's options that write down the user."""
    options = []
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        options += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
    return options
