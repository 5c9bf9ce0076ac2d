"""Tables as hypervectors: numbers, categories, texts and time series, column by column."""
