"""Slipway moves daily batch KPIs to streaming, with every difference explained before anybody switches."""

__version__ = "0.1.0"
