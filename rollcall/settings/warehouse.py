"""How to speak to a ClickHouse server; used only when `warehouse_url` names one."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rollcall.settings.secrets import read_secret_file


class WarehouseSettings(BaseModel):
    """Password, TLS and cluster of a ClickHouse server; the embedded engine has none of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9_.-]+)?$",
            description="Name of the ClickHouse cluster, of one shard, whose replicas all get the tables (Replicated "
            "engines, `ON CLUSTER`); empty for a single server.",
        ),
    ] = ""
    password_file: Annotated[
        Path | None, Field(description="File that holds the password of the user in `warehouse_url`.")
    ] = None
    ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities that sign the server's certificate; else the public ones."),
    ] = None
    client_cert_file: Annotated[
        Path | None,
        Field(description="PEM file of this client's certificate, where the server asks for one; the user needs none."),
    ] = None
    client_key_file: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    verify: Annotated[
        bool,
        Field(description="Check the server's certificate; false lets anyone in between read and change everything."),
    ] = True

    @property
    def has_tls(self) -> bool:
        """Whether anything is set that only a connection with TLS uses."""
        return bool(self.ca_file or self.client_cert_file) or not self.verify

    def password(self) -> str:
        """Return the password of the file; empty when no file is named."""
        return read_secret_file("password_file", self.password_file).strip() if self.password_file else ""

    @model_validator(mode="after")
    def _fits_together(self) -> "WarehouseSettings":
        self.password()
        if bool(self.client_cert_file) != bool(self.client_key_file):
            raise ValueError("client_cert_file and client_key_file belong together")
        if self.ca_file and not self.verify:
            raise ValueError("ca_file is of no use while verify is false")
        for name in ("ca_file", "client_cert_file", "client_key_file"):
            path: Path | None = getattr(self, name)
            if path and not path.is_file():
                raise ValueError(f"{name}: {path} is not there")
        return self
