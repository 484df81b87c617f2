"""Great Expectations: the suites that follow from a contract, and the contract's own expectations.

The library takes seconds to import, so it is imported when the checks run, and all suites run in one go. It
asks DuckDB, which spills when there is more than its memory holds; into Python come counts and samples.
"""

from slipway.adapters.expectations.great_expectations import GreatExpectations

__all__ = ["GreatExpectations"]
