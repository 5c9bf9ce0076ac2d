"""Read tables from files: CSV, Parquet and JSON Lines in blocks of rows, and summaries of each column."""
