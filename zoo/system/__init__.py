"""Access to the machine: files written atomically, locks, devices, memory, and listeners."""
