"""``rollcall export`` and ``rollcall import``: the warehouse as Parquet files, to transfer it between engines."""
