"""Write .env from deploy/env.template, with secrets made at random: ``python3 deploy/make_env.py .env``."""

import base64
import os
import secrets
import sys
from pathlib import Path

TEMPLATE = Path(__file__).with_name("env.template")


def filled(text: str) -> str:
    """Return the template with a fresh value in every place that wants one."""
    lines = []
    for line in text.splitlines():
        # Hexadecimal, because the value stands in a URL too. Kafka wants 16 bytes in URL-safe base64.
        line = line.replace("<random>", secrets.token_hex(24))
        lines.append(line.replace("<cluster id>", base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[:22]))
    return "\n".join(lines) + "\n"


def main(target: Path) -> int:
    """Write the file, readable by its owner only; return an exit code."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target} is there already and holds the passwords in use; remove it yourself to make new ones")
        return 1
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(filled(TEMPLATE.read_text(encoding="utf-8")))
    print(f"wrote {target}; put the API token of Jira into it")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
