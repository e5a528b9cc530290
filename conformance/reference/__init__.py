"""A small spot exchange: the reference that the suite is tried on, and a local sandbox for bot writers.

It knows nothing of the rest of ``conformance``, so that any other server can stand in its place. The parts:
``settings`` and ``accounts`` (what it is started with), ``clock``, ``auth``, ``orders``, ``money``, ``book``,
``matching``, ``engine`` (one task per market), ``exchange`` (all markets), ``store`` (SQLite), ``views``
(JSON), ``app`` (HTTP) and ``server`` (processes). ``reference.Reference`` wires them and is where hooks take
hold.
"""
