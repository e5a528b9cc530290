"""Load and soak: many users place, fill and cancel through Locust, and the same oracle judges every exchange.

`command` wires it up; `process` is what Locust runs in, a process of its own, because gevent patches the standard
library there. `trader` says what a user does, `session` records and judges it, `statistics` and `outcome` add up.
"""
