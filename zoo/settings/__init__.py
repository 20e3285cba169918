"""Configs, the registries of names, and plug-ins."""
