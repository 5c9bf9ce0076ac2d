"""Tables from files: CSV, Parquet and JSON Lines in blocks of rows, and the contents of each column."""
