"""Says how a request should have been signed, with Amazon's own code.

Reads a JSON object from the file it is given: method, url, headers (names in lower case), body (base64), access_key, secret_key, region,
service. Prints the value that the Authorization header should have.
"""

import base64
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

with open(sys.argv[1], encoding="utf-8") as file:
    asked = json.load(file)
headers = asked["headers"]
signed = dict(
    part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(",")
)["SignedHeaders"].split(";")
request = AWSRequest(
    method=asked["method"],
    url=asked["url"],
    headers={name: headers[name] for name in signed},
    data=base64.b64decode(asked["body"]),
)
request.context["timestamp"] = headers["x-amz-date"]
auth = SigV4Auth(Credentials(asked["access_key"], asked["secret_key"]), asked["service"], asked["region"])
# The digest of the body is Amazon's own, whatever the header says.
digest = request.headers.get("x-amz-content-sha256")
del request.headers["x-amz-content-sha256"]
if digest != auth.payload(request):
    sys.exit(f"the body's digest is {auth.payload(request)}, not {digest}")
if digest is not None:
    request.headers["x-amz-content-sha256"] = digest
to_sign = auth.string_to_sign(request, auth.canonical_request(request))
scope = f"{asked['access_key']}/{auth.credential_scope(request)}"
print(
    f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={';'.join(signed)}, "
    f"Signature={auth.signature(to_sign, request)}"
)
