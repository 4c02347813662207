"""HTTP as every part serves it: server, health, and one guard for Host, Origin and proxies; it knows no settings."""
