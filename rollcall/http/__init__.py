"""HTTP as every part serves it: the server, health, and the guard against strangers; it knows no settings."""
