"""What a fusion is worth: the same data and settings with each way to join the branches."""
