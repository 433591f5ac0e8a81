"""Elements of an MPD as text."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr


def tag(name: str, /, *, empty: bool = False, **attributes: str | int | None) -> str:
    """Return an opening tag, or an empty one; attributes that are None are left out."""
    said = "".join(
        f" {key}={quoteattr(str(value))}" for key, value in attributes.items() if value is not None
    )
    return f"<{name}{said}{'/' if empty else ''}>"


def descriptor(name: str, scheme: str, value: str | int) -> str:
    """Return an element of DescriptorType (23009-1 5.8.2)."""
    return tag(name, empty=True, schemeIdUri=scheme, value=value)
