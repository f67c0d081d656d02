"""Stages of energy models: pretraining, ranking, verification, and the study of thinking."""
