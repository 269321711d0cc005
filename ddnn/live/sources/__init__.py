"""Where a device's views come from while a system is live: cameras, folders, programs, records."""
