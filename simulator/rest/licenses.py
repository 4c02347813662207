"""Products, seats and what they are used for."""

from typing import Any

from simulator.company.groups import PRODUCTS
from simulator.rest.answer import missing
from simulator.rest.ask import Ask
from simulator.rest.scribe import RestScribe


def application_roles(ask: Ask, scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer GET /applicationrole."""
    return [_role(ask, scribe, product) for product in PRODUCTS]


def application_role(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /applicationrole/{key}."""
    if ask.path["key"] not in PRODUCTS:
        raise missing(f"Application with key '{ask.path['key']}' does not exist.")
    return _role(ask, scribe, ask.path["key"])


def approximate_count(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /license/approximateLicenseCount: a string."""
    now, directory = ask.site.clock.now(), ask.site.directory
    used = {person.index for product in PRODUCTS for person in directory.holders(product, now)}
    return {"key": "license.totalApproximateUserCount", "value": str(len(used))}


def approximate_product_count(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /license/approximateLicenseCount/product/{key}."""
    product = ask.path["key"]
    used = len(ask.site.directory.holders(product, ask.site.clock.now())) if product in PRODUCTS else 0
    return {"key": f"license.{product}.approximateUserCount", "value": str(used)}


def instance_license(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /instance/license."""
    plan = "FREE" if ask.site.faults.free_plan else "PAID"
    return {"applications": [{"id": product, "plan": plan} for product in PRODUCTS]}


def _role(ask: Ask, scribe: RestScribe, product: str) -> dict[str, Any]:
    directory, now = ask.site.directory, ask.site.clock.now()
    used, seats = len(directory.holders(product, now)), directory.seats(product, now)
    opening = [group for group in directory.groups.values() if product in group.products]
    details = [
        {"name": group.name, "groupId": group.id, "self": f"{scribe.base}/group?groupId={group.id}"}
        for group in opening
    ]
    return {
        "key": product,
        "name": PRODUCTS[product],
        "groups": [group.name for group in opening],
        "groupDetails": details,
        "defaultGroups": [opening[0].name] if opening else [],
        "defaultGroupsDetails": details[:1],
        "selectedByDefault": product == "jira-software",
        "defined": False,
        "numberOfSeats": seats,
        "remainingSeats": seats - used,
        "userCount": used,
        "userCountDescription": f"{used} users",
        "hasUnlimitedSeats": False,
        "platform": product == "jira-core",
    }
