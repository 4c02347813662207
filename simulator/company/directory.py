"""The directory as it stands now: people and groups, and what was changed while the site runs."""

from msgspec.structs import replace

from simulator.company.groups import PRODUCTS, Group, groups
from simulator.company.people import roster
from simulator.company.person import Person
from simulator.config import DAY_MS, SiteConfig

_SEAT_STEPS = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000)


class Directory:
    """People and groups of a running site. Accounts are named by accountId, groups by groupId or name."""

    def __init__(self, config: SiteConfig) -> None:
        """Begin with the directory that follows from the seed."""
        self.config = config
        self.people = roster(config)
        self.index = {person.account_id: person.index for person in self.people}
        self.removed: set[int] = set()
        self.groups: dict[str, Group] = {group.id: group for group in groups(config)}

    def listed(self) -> list[Person]:
        """Return every account that Jira lists: inactive and deleted ones too, removed ones not."""
        return [person for person in self.people if person.index not in self.removed]

    def find(self, account_id: str) -> Person | None:
        """Return the listed account of this id."""
        index = self.index.get(account_id)
        return None if index is None or index in self.removed else self.people[index]

    def active(self, person: Person, now: int) -> bool:
        """Tell whether the account is active at this moment, epoch ms."""
        return person.index not in self.removed and now // DAY_MS < person.left_day

    def erased(self, person: Person, now: int) -> bool:
        """Tell whether Jira shows the account as a former user."""
        return person.index in self.removed or (person.erased and now // DAY_MS >= person.left_day)

    def group(self, name_or_id: str) -> Group | None:
        """Return a group by id or by name."""
        by_name = (group for group in self.groups.values() if group.name == name_or_id)
        return self.groups.get(name_or_id) or next(by_name, None)

    def members(self, group: Group, now: int, *, inactive: bool = True) -> list[Person]:
        """Return the members of a group in Jira's order."""
        found = (self.people[index] for index in group.members if index not in self.removed)
        return [person for person in found if inactive or self.active(person, now)]

    def holders(self, product: str, now: int) -> list[Person]:
        """Return who takes a seat of the product: active people of the groups that open it, each once."""
        inside = {
            person.index: person
            for group in self.groups.values()
            if product in group.products
            for person in self.members(group, now, inactive=False)
        }
        return [inside[index] for index in sorted(inside) if inside[index].account_type == "atlassian"]

    def seats(self, product: str, now: int) -> int:
        """Return the seats bought: the next step of the price list."""
        used = len(self.holders(product, now))
        return next((step for step in _SEAT_STEPS if step >= used), used)

    def remove_user(self, account_id: str) -> None:
        """Take an account out of the site; its acts stay, under the name of a former user.

        Raises:
            KeyError: There is no such account.
        """
        self.removed.add(self.index[account_id])

    def set_member(self, group_name_or_id: str, account_id: str, *, member: bool) -> None:
        """Put an account into a group or take it out.

        Raises:
            KeyError: There is no such group or account.
        """
        group = self.group(group_name_or_id)
        if group is None:
            raise KeyError(group_name_or_id)
        rest = tuple(index for index in group.members if index != self.index[account_id])
        self.groups[group.id] = replace(group, members=(*rest, self.index[account_id]) if member else rest)

    def move_license(self, account_id: str, source: str, target: str) -> None:
        """Move an account from all groups of one product to the first group of another.

        Raises:
            KeyError: There is no such product or account.
        """
        if source not in PRODUCTS or target not in PRODUCTS:
            raise KeyError(source if source not in PRODUCTS else target)
        for group in list(self.groups.values()):
            if source in group.products and group.access == "user":
                self.set_member(group.id, account_id, member=False)
        first = next(group for group in self.groups.values() if target in group.products)
        self.set_member(first.id, account_id, member=True)
