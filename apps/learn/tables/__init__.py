"""Tables from files: CSV, Parquet and JSON Lines in blocks of rows, and what each column holds."""
