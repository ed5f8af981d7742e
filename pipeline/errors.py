"""The one exception that means: the input is wrong, and here is what to do about it."""


class InputError(ValueError):
    """Bad input. Its message is one sentence: what was wrong, the value, the file or image id, the remedy."""
