"""A card: on one page, where a sequence mixer stands among attention, LSTM, GRU and all that is registered."""
