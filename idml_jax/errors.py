"""What the user gave cannot be used, a solver did not get there, or somebody asked to stop."""


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
