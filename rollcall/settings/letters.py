"""How large the dead letter of a body gets, by which the sizes of body and record have to fit together."""

LETTER_BYTES = 8 * 1024
"""Most that a webhook's dead letter takes on the log beside its payload.

Up to 5.3 KB: three headers of 256 characters, each of at most 6 bytes in JSON (4.6 KB); names of fields and headers,
ids, the site's name of at most 63 characters, reason and detail, which are the code's own words; the key; and what the
log counts for a record. The rest is room for longer words. Tests compare this with letters as they are made.
"""


def letter_bytes(body: int) -> int:
    """Return the most bytes that the dead letter of a body of so many takes: it is in base64 there."""
    return 4 * -(-body // 3) + LETTER_BYTES


def largest_body(record: int) -> int:
    """Return the bytes of the largest body whose dead letter is sure to fit into a record of so many."""
    return max(0, (record - LETTER_BYTES) // 4 * 3)
