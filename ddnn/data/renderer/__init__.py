"""A small 3-D renderer: cars, buses and persons on a street, seen by six fixed cameras.

Only additions, multiplications, divisions, square roots, comparisons and floors of float64
arrays, element by element: IEEE 754 defines each of them to the last bit, so that the same seed
gives the same bytes on every machine. Sines, powers, matrix products and sums over axes, whose
last bits depend on the library and the processor, are not used.
"""
