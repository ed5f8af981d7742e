"""The parameters that a stage reads, as far as the source of its file tells.

What cannot be followed counts as a use of the whole: `load().pretrain` handed to a function is every value of
`pretrain`, so a law about these names errs on the side of tracking.
"""

import ast

from pipeline.params import Params, Section
from tests.dag_graph import Stage


def values_of(section: type[Section], prefix: str = "") -> set[str]:
    """Dotted names of all values below a section."""
    found = set()
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= values_of(field.annotation, f"{prefix}{name}.")
        else:
            found.add(f"{prefix}{name}")
    return found


VALUES = values_of(Params)


def values_behind(name: str) -> set[str]:
    """The values that a dotted name stands for: one, or all of a section; the empty name is the whole file."""
    if not name:
        return VALUES
    found = {value for value in VALUES if f"{value}.".startswith(f"{name}.")}
    return found or values_behind(name.rpartition(".")[0])  # the last part was a method or an attribute of the value


def values_tracked(stage: Stage) -> set[str]:
    """The values on which DVC reruns the stage."""
    return set().union(*(values_behind(name) for name in stage.params))


def values_read(stage: Stage, source: str) -> set[str]:
    """The values that the stage's file reads; of its section with one subsection for each item, those of its own."""
    reads = _Reads()
    reads.visit(ast.parse(source))
    found: set[str] = set()
    for name in reads.names:
        found |= values_behind(name) - (_other_items(stage) if name == stage.base else set())
    return found


def _other_items(stage: Stage) -> set[str]:
    nested = [value.split(".") for value in values_behind(stage.base) if value.count(".") > 1]
    items = {item for _, item, *_ in nested}
    return {".".join(parts) for parts in nested if parts[1] != stage.item} if stage.item in items else set()


class _Reads(ast.NodeVisitor):
    """Collects the dotted names taken of `load()`, following variables in the order of the source."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._variables: dict[str, str] = {}

    def visit(self, node: ast.AST) -> None:
        name = self._name(node)
        if name is None:
            super().visit(node)
        else:
            self.names.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for variable, part in pairs:
            name = self._name(part)
            if isinstance(variable, ast.Name) and name is not None:
                self._variables[variable.id] = name
            else:
                self.visit(part)

    def _name(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self._variables.get(node.id)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("load", "params.load"):
            return ""
        if isinstance(node, ast.Attribute) and (owner := self._name(node.value)) is not None:
            return f"{owner}.{node.attr}".lstrip(".")
        return None
