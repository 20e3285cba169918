"""`python -m hpo.run`, which does the same as `zoo search`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("zoo.search", run_name="__main__")
