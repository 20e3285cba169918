"""Shipped experiments: one YAML file each, found by stem with `zoo.list_models()`."""
