"""What looks personal: by a field's name, or by what a value holds. A guess, for a person to confirm.

It errs towards yes: a field that is marked without need is masked; one that is not marked is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NAME = re.compile(
    r"(^|_)(e?_?mail|phone|mobile|telephone|telefon|handy|natel|fax|msisdn|imei|imsi"
    r"|(first|last|full|given|family|user|customer|passenger|nick|sur|maiden|middle|contact|patient|employee"
    r"|driver|guest|member|owner|author|recipient|sender|receiver|holder|display)_?name"
    r"|surname|firstname|lastname|vorname|nachname|familienname|prenom|nom|login|username"
    r"|address|adresse|anschrift|street|strasse|house_number|hausnummer|zip|zipcode|postcode|postal_code|plz"
    r"|ssn|ahv|avs|ahv_?n(umme)?r|passport|birth\w*|geburt\w*|dob|iban|bic"
    r"|card(_?number)?|pan|ip|ip_?address|password|token|latitude|longitude|lat|lon|gps|gender|religion|national_id"
    r"|tax_id|licen[cs]e_plate|device_id|cookie)(_|$)"
    # Alone these are people, or what they say; in customer_count and contact_id they are not.
    r"|^(name|customer|contact|passenger|patient|employee|driver|guest|member|recipient|sender|person|kunde|kundin)$"
)
_EMAIL = re.compile(r"[^@\s<>,;:\"']+@[^@\s<>,;:\"']+\.[^@\s<>,;:\"']+")
_PHONE = re.compile(
    r"(?<![\w.+-])("
    r"(\+|00)[1-9]\d{0,2}[ ()./-]{0,3}(\d[ ()./-]{0,2}){6,12}\d"
    r"|0[1-9]\d{8}"
    r"|0[1-9]\d{1,3}[ /](\d{2,8}[ ]?){1,4}\d{2}"
    r"|(\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}"
    r")(?![\w-])",
    re.ASCII,
)
"""As people write them: +41 79 123 45 67, 0041791234567, 079 123 45 67, (212) 555-0123."""


def named(name: str) -> bool:
    """Say whether a field of this name, in snake case, is likely to hold what is personal."""
    return _NAME.search(name) is not None


def holds(values: Iterable[Any]) -> bool:
    """Say whether a mail address or a phone number stands in any text."""
    return any(isinstance(value, str) and (_EMAIL.search(value) or _PHONE.search(value)) for value in values)
