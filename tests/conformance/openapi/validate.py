"""Whether documents are OpenAPI 3.1, as openapi-spec-validator sees it."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

found = {}
for path in json.loads(sys.argv[1])["documents"]:
    with open(path) as file:
        document = json.load(file)
    faults = OpenAPIV31SpecValidator(document).iter_errors()
    found[path] = [f"{fault.message[:300]} at {list(fault.absolute_path)}" for fault in faults]
print(json.dumps(found))
