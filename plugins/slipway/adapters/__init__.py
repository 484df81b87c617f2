"""One module or package for each system that Slipway talks to."""
