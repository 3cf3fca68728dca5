"""Models of other kinds, trained and scored on the same excerpts, to compare the fractal with."""
