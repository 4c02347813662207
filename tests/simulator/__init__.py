"""The tests of the simulator: its truth, its webhooks and its REST answers hold each other to account."""
