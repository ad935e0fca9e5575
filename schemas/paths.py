"""Patterns of paths by which files name what they are, as ``{split}/{label}/{name}.jpg``."""

import re

_PART = re.compile(r"\{([^{}]*)\}|(\*\*/)|(\*)|([^{}*]+)|(.)")


def path_fields(pattern: str) -> tuple[str, ...]:
    """Give the names between braces, in order.

    >>> path_fields("**/{split}/{label}_*.jpg")
    ('split', 'label')
    """
    return tuple(found[1] for found in _PART.finditer(pattern) if found[1] is not None)


def path_regex(pattern: str) -> tuple[str, tuple[str, ...]]:
    r"""Give a pattern as a regular expression of Java or Python, and the names of its groups.

    Empty, it fits any path.

    >>> path_regex("**/{label}/*.jpg")
    ('^(?:.*/)?([^/]+)/[^/]*\\.jpg$', ('label',))
    """
    made = ""
    for found in _PART.finditer(pattern):
        field, folders, star, text, stray = found.groups()
        if field is not None:
            made += "([^/]+)"
        elif folders or star:
            made += "(?:.*/)?" if folders else "[^/]*"
        else:
            made += re.escape(text or stray)
    return (f"^{made}$" if made else ""), path_fields(pattern)


def bad_pattern(pattern: str) -> str:
    """Say what is wrong with a pattern; empty if nothing is."""
    stray = [found[5] for found in _PART.finditer(pattern) if found[5]]
    fields = path_fields(pattern)
    if stray or any(not name.isidentifier() for name in fields):
        return f"expected names between braces, like {{label}}/*.jpg; got {pattern!r}"
    if len({*fields}) < len(fields):
        return f"names come twice: {pattern!r}"
    return ""
