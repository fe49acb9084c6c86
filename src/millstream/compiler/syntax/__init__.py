"""What a text says, without knowing what its names mean: parsing, names, types, intervals, calls, declarations."""
