"""``rollcall backup`` and ``rollcall restore``: the embedded files as a folder that is whole or not there."""
