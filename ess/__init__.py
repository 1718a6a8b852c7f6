"""Emergency stop for a trading stack run by systemd.

The guarantee: from the moment the flag /run/quantum/ESS_ON exists, every process of every trading
unit is dead within 2 s, and none of them lives again until a person releases the latch. What this
package does is the comfortable way in and out; the stop itself is systemd units and one bash script
and holds when this package is missing or broken.
"""

__version__ = "0.1.0"
