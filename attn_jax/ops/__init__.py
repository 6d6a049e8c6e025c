"""Attention, masks, positions, norms and recurrent cells: arrays in, arrays out, no parameters of their own."""
