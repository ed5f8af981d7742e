"""`python -m benchmarks NAME` runs one comparison and prints its result as one JSON line; `--list` names them all."""

import ast
import importlib
import json
import sys
from pathlib import Path

BENCHMARKS = {
    path.stem: (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
    for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
    if path.stem != "measure"
}


def main(arguments: list[str]) -> int:
    """Run the named benchmark, or list all of them."""
    if arguments == ["--list"]:
        print("\n".join(f"{name:14} {description}" for name, description in BENCHMARKS.items()))
        return 0
    if len(arguments) != 1 or arguments[0] not in BENCHMARKS:
        print(f"usage: python -m benchmarks --list | {' | '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    result = importlib.import_module(f"benchmarks.{arguments[0]}").run()
    print(json.dumps({"name": arguments[0], **result}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
