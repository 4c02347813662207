"""``rollcall export`` and ``rollcall import``: the warehouse as Parquet files, to move it between engines."""
