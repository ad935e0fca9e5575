"""Where the root may lie besides a local disk: addresses, their settings, paths in them."""
