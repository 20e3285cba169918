"""What the layouts read with: containers, label files, alignment, pockets, model quality."""
