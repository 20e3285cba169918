"""The HTML page of `zoo.report`; the folder holds 3Dmol.js 2.5.5 (BSD-3-Clause), unchanged."""
