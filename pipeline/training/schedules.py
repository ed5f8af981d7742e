"""Learning-rate factors, as functions of the progress of a training."""


def poly(progress: float, power: float = 0.9) -> float:
    """`(1 - progress) ** power` for progress in [0, 1): the poly schedule of DeepLab and of the paper."""
    return (1.0 - progress) ** power


def warmup(step: int, steps: int) -> float:
    """A linear rise that reaches 1 at `step == steps`; 1 throughout when `steps` is 0."""
    return min(1.0, (step + 1) / (steps + 1))
