"""Trained models as folders of their own: weights and config, or the sampler as a program."""
