"""Which keys a file may have at one of its places, by the model that reads it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """The keys that what is at `loc` has. loc: keys and places in lists, as pydantic has them."""
    schema = model.model_json_schema()
    places = [schema]
    for key in loc:
        places = [step for place in places for step in _steps(schema, place, key)]
    alternatives = [a for place in places for a in _alternatives(schema, place)]
    return {name for place in alternatives for name in place.get("properties", {})}


def _steps(root: dict[str, Any], place: dict[str, Any], key: int | str) -> list[dict[str, Any]]:
    found = []
    for alternative in _alternatives(root, place):
        if key in alternative.get("properties", {}):
            found.append(alternative["properties"][key])
        elif isinstance(alternative.get("additionalProperties"), dict):
            found.append(alternative["additionalProperties"])
        elif "patternProperties" in alternative:  # where names have a form
            found += alternative["patternProperties"].values()
        elif isinstance(alternative.get("items"), dict):
            found.append(alternative["items"])
    tag = place.get("discriminator", {}).get("mapping", {}).get(key)
    if tag is not None:
        return [{"$ref": tag}]
    return found or [place]


def _alternatives(root: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in place:
        target = root
        for name in place["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return _alternatives(root, target)
    unions = [*place.get("anyOf", ()), *place.get("oneOf", ()), *place.get("allOf", ())]
    return [a for union in unions for a in _alternatives(root, union)] or [place]
