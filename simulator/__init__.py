"""A Jira Cloud site to try against: its people, its acts, its webhooks and REST answers, and the truth about them.

It speaks HTTP only and imports nothing of the product.
"""

from simulator.config import SiteConfig

__all__ = ["SiteConfig"]
