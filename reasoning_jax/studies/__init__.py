"""Studies: several ways of doing one thing, run over seeds at equal budget and compared."""

from reasoning_jax.studies.measures import curve_mean, last, ratio
from reasoning_jax.studies.study import Arm, Budget, Curve, Measure, Study

__all__ = ["Arm", "Budget", "Curve", "Measure", "Study", "curve_mean", "last", "ratio"]
