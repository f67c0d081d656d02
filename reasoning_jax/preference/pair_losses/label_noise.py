"""The probability that a label of preference is the wrong way round."""


def check_label_noise(label_noise: float) -> None:
    """ValueError unless it is in [0, 0.5): at one half the labels say nothing."""
    if not 0 <= label_noise < 0.5:
        raise ValueError(f"label_noise is {label_noise}; it must be at least 0 and below 0.5")
