"""Validates a compose file against the Compose specification, and prints it as JSON.

Usage: compose_file.py FILE
Exit code: 0, or 1 with what is wrong.
"""

import importlib.resources
import json
import sys

import jsonschema
import yaml


def main():
    with open(sys.argv[1]) as file:
        composed = yaml.safe_load(file)
    schema = importlib.resources.files("compose").joinpath("config/compose_spec.json").read_text()
    errors = jsonschema.Draft7Validator(json.loads(schema)).iter_errors(composed)
    problems = [f"{error.json_path}: {error.message}" for error in errors]
    print("\n".join(problems) or json.dumps(composed))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
