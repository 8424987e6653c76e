"""What the user gave cannot be used, a solver did not get there, or somebody asked to stop."""

from collections.abc import Sequence


class InputError(ValueError):
    """A file, folder or option of the user's cannot be used.

    Its message is one line: the file or option, what was found there, the rule,
    and the way out. The command line prints it without a traceback and exits
    with status 2; every other exception is a defect of ours and keeps its
    traceback.
    """


class ConvergenceError(ArithmeticError):
    """A solver stopped at its limit before it had the accuracy that was asked for.

    Its message names the residual, the limit and the contrast of the coefficients.
    """


class Stopped(Exception):
    """A signal asked a training to stop, and it did so after saving: its command goes on with it.

    Parameters
    ----------
    signal : int
        Its number.
    done : int
        Steps that the checkpoint holds.
    """

    def __init__(self, signal: int, done: int):
        super().__init__(f"stopped at step {done}, which is saved; the same command goes on.")
        self.signal = signal


SHOWN = 8
"""Names that a message lists; of more it says how many there are."""


def listed(names: Sequence[object]) -> str:
    """Names in a message.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


def refuse_all(subject: object, problems: Sequence[str], way_out: str) -> None:
    """Refuse what is wrong in several ways, all of them at once; nothing where none is.

    Parameters
    ----------
    subject : object
        The file, folder or option.
    problems : sequence of str
        What was found.
    way_out : str
        What the user does about it.

    Raises
    ------
    InputError
        If there is a problem.
    """
    if problems:
        raise InputError(f"{subject}: {'; '.join(problems)}: {way_out}.")
