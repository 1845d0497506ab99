"""The response schema: what a record must fit, and how it does not.

jsonschema-rs decides, a hundred times as fast; jsonschema tells people why. Tests hold that the two
agree. They differ where JSON Schema leaves Python: a `pattern` is a regular expression of ECMA-262
(`$` is the end and no newline before it, digits are ASCII), `multipleOf` counts in decimals.
"""

from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.proof import Refused

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator as Teller
    from jsonschema import ValidationError
    from jsonschema_rs import Draft202012Validator as Judge

DRAFT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_REASON = 300
DEEPEST = 200  # jsonschema-rs overflows its stack somewhere beyond 10,000


class Schema:
    """A compiled schema.

    schema: as it was given
    names:  the keys that it knows at the top
    closed: it allows no others
    """

    def __init__(self, schema: Any, judge: "Judge", teller: "Teller") -> None:
        self.schema = schema
        self.names = frozenset(schema.get("properties", {}) if isinstance(schema, dict) else ())
        self.closed = isinstance(schema, dict) and schema.get("additionalProperties") is False
        self._judge = judge
        self._teller = teller

    def mismatch(self, record: Any) -> str | None:
        """Return where and how a record does not fit, or None when it does.

        Raises: Refused (too_long, broken_text) for what no validator can take.
        """
        if deeper(record, DEEPEST):
            raise Refused("too_long", "nested too deeply")
        try:
            if self._judge.is_valid(record):
                return None
        except UnicodeEncodeError as error:
            raise Refused("broken_text", f"{error.object[error.start]!a} in a text") from None
        if error := self._worst(record):
            return f"{error.json_path}: {error.message}"[:LONGEST_REASON]
        error = next(self._judge.iter_errors(record))
        path = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error.instance_path)
        return f"${path}: {error.message}"[:LONGEST_REASON]

    def misfit(self, record: Any) -> str:
        """Return which part of the schema a record does not fit, whatever it says there.

        That is the place in the record and the keyword, `$.agree: minLength`.
        """
        error = self._worst(record)
        return f"{error.json_path}: {error.validator or 'false'}" if error else "$"

    def _worst(self, record: Any) -> "ValidationError | None":
        from jsonschema.exceptions import best_match

        try:
            return best_match(self._teller.iter_errors(record))
        except RecursionError:  # references in a circle, which jsonschema follows for ever
            return None


def deeper(value: Any, most: int) -> bool:
    """Tell whether lists and objects are nested more than `most` deep."""
    level = [value] if isinstance(value, (dict, list)) else []
    while level and most > 0:
        most -= 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def faults(schema: Any, where: str) -> list[Fault]:
    """Return what is wrong with a schema.

    That is: another draft, no JSON Schema, a reference that leads out of it, or one that no record
    can fit.
    """
    import jsonschema_rs
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema_rs import canonical

    kinds = schema.get("type", "object") if isinstance(schema, dict) else "object"
    draft = schema.get("$schema", DRAFT) if isinstance(schema, dict) else DRAFT
    if not isinstance(draft, str) or draft.rstrip("#") != DRAFT:
        then = "name that one or none; `definitions` are `$defs`, a list of `items` `prefixItems`"
        return [Fault(where, f"$schema is {draft!r}", f"draft 2020-12: {DRAFT}", then)]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        what = f"not a JSON Schema at {error.json_path}: {error.message}"
        return [Fault(where, what, "JSON Schema, draft 2020-12")]
    try:
        # Offline: a schema is whole in itself, and nothing is fetched behind a user's back.
        jsonschema_rs.Draft202012Validator(schema, offline=True, validate_formats=False)
        impossible = canonical.find_unsatisfiable(
            schema, draft=jsonschema_rs.Draft202012, offline=True, validate_formats=False
        )
    except (ValueError, canonical.CanonicalizationError) as error:
        message = getattr(error, "message", str(error))
        return [Fault(where, f"cannot be used: {message}", "a schema that is whole in itself")]
    if "object" not in kinds:
        return [Fault(where, f"no record can fit this schema: type is {kinds!r}", "object")]
    if reason := impossible.get(""):
        what = "no record can fit this schema"
        causes = getattr(reason, "causes", None) or [
            cause for cause in [getattr(reason, "cause", None)] if cause
        ]
        if parts := ", ".join(told(cause) for cause in causes):
            what += f": {parts}" + (" contradict each other" if len(causes) > 1 else "")
        return [Fault(where, what, "a schema that a record can fit")]
    return []


def told(cause: Any) -> str:
    """Spell one part of a schema: where it is, and its keywords."""
    return f"${cause.pointer.replace('/', '.')} ({', '.join(cause.keywords) or 'as a whole'})"


def compiled(schema: Any, where: str) -> Schema:
    """Return what checks records against a schema.

    where: its file, for the message
    Raises: ConfigError as `faults` tells.
    """
    if wrong := faults(schema, where):
        raise ConfigError(*wrong)
    import jsonschema_rs
    from jsonschema import Draft202012Validator

    judge = jsonschema_rs.Draft202012Validator(schema, offline=True, validate_formats=False)
    return Schema(schema, judge, Draft202012Validator(schema))
