"""From a file to a batch: records, structure files, graphs."""
