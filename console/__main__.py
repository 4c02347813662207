"""The process of the ``rollcall`` command, also as ``python -m console``."""

import gc


def main() -> None:
    """Run the command line.

    The garbage collector pauses while its modules load: all they make stays, and to look through that again and again
    takes a fifth of a start. What is there then it passes over later too.
    """
    gc.disable()
    from console.main import app

    gc.freeze()
    gc.enable()
    app(prog_name="rollcall")


if __name__ == "__main__":
    main()
