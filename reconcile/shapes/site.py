"""What a site says of itself, of the caller, and of its admin webhooks."""

import msgspec


class Myself(msgspec.Struct, rename="camel", frozen=True):
    """The caller; Jira reads times in JQL in this time zone."""

    account_id: str | None = None
    account_type: str | None = None
    time_zone: str | None = None


class ServerInfo(msgspec.Struct, rename="camel", frozen=True):
    """The site's clock."""

    server_time: str | None = None
    deployment_type: str | None = None


class Permission(msgspec.Struct, rename="camel", frozen=True):
    """Whether the caller holds a permission."""

    have_permission: bool = False


class Permissions(msgspec.Struct, frozen=True):
    """The caller's permissions, by key."""

    permissions: dict[str, Permission] = {}


class AdminWebhook(msgspec.Struct, rename="camel", frozen=True):
    """A registered admin webhook; ``isSigned`` tells that there is a secret, which Jira never shows."""

    self_: str = msgspec.field(name="self", default="")
    name: str = ""
    url: str = ""
    events: list[str] = []
    filters: dict[str, str | None] | None = None
    enabled: bool = True
    exclude_body: bool = False
    is_signed: bool | None = None

    @property
    def id(self) -> str:
        """Its id: the number that ends ``self`` (clients; Jira gives no other)."""
        last = self.self_.rstrip("/").rpartition("/")[2]
        return last if last.isascii() and last.isdigit() else ""
