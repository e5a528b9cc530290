"""The contract as data: the requirements and the OpenAPI document, loaded and validated.

Knows nothing of HTTP. `load_contract()` is the only way in.
"""

from conformance.contract.loader import Contract, load_contract
from conformance.contract.requirements import FIELDS, Chapter, Disagreement, LeftOpen, Level, Requirement

__all__ = ["FIELDS", "Chapter", "Contract", "Disagreement", "LeftOpen", "Level", "Requirement", "load_contract"]
