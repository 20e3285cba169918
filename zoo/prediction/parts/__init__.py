"""Results in parts of Parquet, by any number of processes: `zoo embed` and `zoo predict` at scale.

Part k holds records k B to (k + 1) B - 1 of the inputs, whoever computes it, and batches do not
cross a part, so the numbers do not depend on how the work was divided.
"""
