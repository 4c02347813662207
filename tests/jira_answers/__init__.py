"""Answers that real sites, proxies and admins give: each costs what it costs, and is named."""
