"""Where the parts of a module's syntax tree stand in its text."""

import ast
from dataclasses import dataclass

Span = tuple[int, int]
"""First byte, and the one after the last."""


@dataclass(frozen=True)
class Mutation:
    """A fault of a `kind`: the bytes of `span` replaced by `new`, inside the function `scope`."""

    kind: str
    scope: str
    span: Span
    new: str


class Text:
    """A module's text in bytes, as the columns of syntax trees count them."""

    def __init__(self, source: str) -> None:
        self.bytes = source.encode()
        self._starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """The bytes of a node, without parentheses around it."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def part(self, span: Span) -> str:
        """The text of a span."""
        return self.bytes[slice(*span)].decode()

    def between(self, left: ast.expr, right: ast.expr, symbol: str) -> Span | None:
        """The operator `symbol` between two operands; None where a comment holds one too."""
        first, last = self.span(left)[1], self.span(right)[0]
        gap = self.bytes[first:last]
        sign = symbol.encode()
        if gap.count(sign) != 1:
            return None
        start = first + gap.index(sign)
        return start, start + len(sign)

    def is_true_of(self, node: ast.expr) -> bool:
        """Whether the node stands where it says: Python 3.11 errs inside some f-strings."""
        try:
            found = ast.parse(f"({self.part(self.span(node))})", mode="eval").body
        except (SyntaxError, ValueError):
            return False
        return ast.dump(found) == ast.dump(node)

    def with_(self, mutation: Mutation) -> str:
        """The whole text with the fault in it."""
        start, end = mutation.span
        return (self.bytes[:start] + mutation.new.encode() + self.bytes[end:]).decode()

    def lines(self, mutation: Mutation) -> tuple[int, str, str]:
        """The number of the first line that changes, and the lines touched, before and after."""
        start, end = mutation.span
        first = self.bytes.rfind(b"\n", 0, start) + 1
        last = self.bytes.find(b"\n", end)
        last = len(self.bytes) if last < 0 else last
        after = self.bytes[first:start] + mutation.new.encode() + self.bytes[end:last]
        number = self.bytes.count(b"\n", 0, start) + 1
        return number, self.bytes[first:last].decode(), after.decode()
