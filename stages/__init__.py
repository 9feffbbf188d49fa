"""The stages: one file each, thin over the library."""
