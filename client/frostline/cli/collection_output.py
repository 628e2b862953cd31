"""A collection, for people and for programs."""

from typing import TYPE_CHECKING

from frostline.cli.output import show_fields, show_json, size
from frostline.cli.session import Session

if TYPE_CHECKING:
    from frostline.client import Collection, VectorField


def show_collection(found: "Collection", session: Session) -> None:
    """Prints one collection."""
    if session.as_json:
        show_json(found)
        return
    shown: dict[str, object] = {
        "Name": found.name,
        "Aliases": ", ".join(found.aliases) or "(none)",
        "Description": found.description or "(none)",
        "Records": f"{found.record_count:,}",
    }
    for name, field in found.vectors.items():
        shown[f"Vector {name}"] = _vector(field)
        if field.document_prompt:
            shown[f"  document prompt {name}"] = repr(field.document_prompt)
        if field.query_prompt:
            shown[f"  query prompt {name}"] = repr(field.query_prompt)
    shown |= {
        "Indexed fields": ", ".join(f"{path} ({kind})" for path, kind in found.fields.items()) or "(none)",
        "Index": f"{found.index}, recall at least {found.min_recall:g}, measured {found.recall:.3f}",
        "Durability": found.durability,
        "Keeps content": "yes" if found.keep_content else "no",
        "Last commit": found.sequence,
        "Size on disk": size(found.size_bytes),
        "Created": f"{found.create_time:%Y-%m-%d %H:%M:%S} UTC",
    }
    show_fields(shown)


def vectors_in_short(found: "Collection") -> str:
    """The vectors of a collection in a few words."""
    if len(found.vectors) == 1:
        (field,) = found.vectors.values()
        return f"{field.encoder or '(plain)'} {field.space.dimensions}"
    return ", ".join(f"{name}: {field.encoder or '(plain)'}" for name, field in found.vectors.items())


def _vector(field: "VectorField") -> str:
    layer = f", layer {field.space.layer}" if field.space.layer else ""
    length = ", unit length" if field.space.normalize else ""
    return f"{field.encoder or '(plain vectors)'}, {field.space.dimensions} dimensions, {field.metric}{layer}{length}"
