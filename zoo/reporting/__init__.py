"""What `zoo.report` puts on its page. 3Dmol.js 2.5.5 (BSD-3-Clause) comes along as published."""
