"""From a benchmark on disk to prepared samples."""
