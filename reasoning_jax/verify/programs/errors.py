"""What goes wrong with the sandbox itself, never with a program in it."""


class IsolationError(RuntimeError):
    """The isolation asked for does not hold on this machine."""


class SandboxLost(RuntimeError):
    """A sandbox ended or fell silent; its program was killed with it."""
