"""``python -m console`` is ``rollcall``."""

from console.main import app

app(prog_name="rollcall")
