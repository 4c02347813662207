"""The web page: who was active, and how the pipeline stands."""
