"""``rollcall demo``: the whole product on a simulated company."""
