"""`python -m bench`: the command line, with errors of the user as one sentence and exit code 2."""

import sys

from bench.cli.app import app
from bench.common.errors import UserError


def main() -> None:
    """Run the command line."""
    try:
        app()
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
