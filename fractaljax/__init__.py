"""Fractal generative models of piano rolls, in JAX."""
