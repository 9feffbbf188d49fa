"""Everything gnnctl raises on purpose, with the exit code that the shell sees.

    GnnctlError          1  internal error
    ├── UsageError       2  the command line does not make sense
    ├── DataError        3  the input data is wrong
    ├── ArtifactError    4  an artifact is missing, damaged, or not the one expected
    └── ResourceError    5  out of disk, memory or permission

Findings of an audit are no error, and exit with 6. Ctrl-C is 130. A message says what is wrong and where; ``fix`` says
how to mend it.
"""

FINDINGS = 6


class GnnctlError(Exception):
    """An error with a documented exit code. ``str()`` is one line: what, where; how to mend it."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.message}; {self.fix}" if self.fix else self.message
        return " ".join(text.split())


class UsageError(GnnctlError):
    """Options that contradict each other or the data at hand."""

    exit_code = 2


class DataError(GnnctlError):
    """Input tables or values that cannot be used."""

    exit_code = 3


class ArtifactError(GnnctlError):
    """An artifact that is missing, damaged, of another kind, or made from something else."""

    exit_code = 4


class ResourceError(GnnctlError):
    """The machine refused: disk, memory, permission, a lock."""

    exit_code = 5
