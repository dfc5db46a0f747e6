"""python -m normkit: the program, `normkit --help`."""

import os
import pathlib
import sys


def main() -> None:
    program = pathlib.Path(__file__).parent / "bin/normkit"
    if not program.exists():  # in the project's own build
        program = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/normkit"
    program = pathlib.Path(os.environ.get("NORMKIT_PROGRAM", program))
    try:
        os.execv(program, [str(program), *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"normkit: {program}: {error.strerror}")


if __name__ == "__main__":
    main()
