"""What the user gave cannot be used, or a solver did not get there: and here is why."""


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
