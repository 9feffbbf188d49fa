"""Which rules of schemas/README.md some records break, and where first."""

from collections.abc import Callable, Iterator


class Broken:
    """Broken rules, each with the first place where it is and how often.

    Args:
        say: called with a line for each rule, the moment it is first found broken.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._say = say
        self._found: dict[str, tuple[str, int]] = {}

    def add(self, rule: str, line: str, times: int = 1) -> None:
        """A rule, by a short name of it, is broken ``times`` more."""
        first, count = self._found.get(rule, ("", 0))
        if not count:
            self._say(line)
        self._found[rule] = (first or line, count + times)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """The first line of each rule, and how often it is broken."""
        return iter(self._found.values())
