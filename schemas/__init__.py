"""The published contract: JSON Schemas and the format's prose, shipped with the package."""
