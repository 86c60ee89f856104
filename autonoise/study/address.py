"""The address of a study's database: its password is neither shown nor written, and may come from the environment."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, quote_plus, unquote

from autonoise.errors import StudyError

VARIABLE = "AUTONOISE_STORAGE"
"""The environment's variable that holds the address of the database, where no ``--storage`` is given."""
_QUERY = "password|passwd|pwd|pass|sslpassword|token"
"""Names of the fields of an address's query whose values are secret."""
_USER_INFO = re.compile(r"(?s)(\w[\w+.-]*://)([^/:@]*):(.*)@")
_FIELD = re.compile(rf"(?i)([?&;](?:{_QUERY})=)([^&;\s'\"]*)")
NOT_KEPT = f"its password is not kept: give it by {VARIABLE} (the whole address), PGPASSWORD or a pgpass file"


def masked(text: str) -> str:
    """The text with stars in place of each password that stands in an address; any text, also no valid address."""
    return _FIELD.sub(r"\1***", _USER_INFO.sub(r"\1\2:***@", text))


def hidden(text: str, url: str) -> str:
    """A message of other code without the password of the address ``url``, in whatever form it stands there."""
    found = [m[3] for m in _USER_INFO.finditer(url)] + [m[2] for m in _FIELD.finditer(url)]
    forms = {form for f in found for form in _forms(f)}
    text = masked(text)
    for form in sorted(forms, key=len, reverse=True):
        # the parts of a shorter one stand in many words
        if len(form) > 2:
            text = text.replace(form, "***")
    return text


def _forms(given: str) -> tuple[str, ...]:
    plain = unquote(given)
    return given, plain, quote(plain), quote(plain, safe=""), quote_plus(plain)


def has_password(url: str) -> bool:
    return masked(url) != url


def without_password(url: str) -> str:
    """The address as it may be written to disk; one without a password, or that cannot be read, comes back masked."""
    if not has_password(url):
        return url
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        return masked(url)
    secret = [name for name in made.query if re.fullmatch(_QUERY, name, re.IGNORECASE)]
    rest = made.difference_update_query(secret)
    return rest._replace(password=None).render_as_string(hide_password=False)


def with_password(url: str) -> str:
    """The address with its password from the environment, where that names the same database and user."""
    given = os.environ.get(VARIABLE, "")
    same = given and not has_password(url) and without_password(given) == without_password(url)
    return given if same else url


def check_password(url: str) -> None:
    """Refuse a password that breaks its address. Raises StudyError."""
    info = _USER_INFO.search(url)
    if info is not None and "@" in info[3] and "?" not in info[3].partition("@")[2]:
        raise StudyError(
            f"--storage {masked(url)}: an @ in the password must be written as %40, and other special characters as "
            f"in any web address (Python: urllib.parse.quote(password, safe=''))"
        )


def told_by_environment(url: str | None) -> bool:
    """Whether the same command finds the password of this address again without its being typed."""
    return url is None or not has_password(url) or os.environ.get(VARIABLE) == url
