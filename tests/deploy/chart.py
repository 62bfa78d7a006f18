"""Renders the Helm chart as Helm does, and validates what comes out.

Usage: chart.py CHART VALUES REFUSED OUTPUT
  VALUES   a folder of values files: of each NAME.yaml the objects go to OUTPUT/NAME.json
  REFUSED  a list of values that the chart must refuse, and what the refusal must name
Exit code: 0, or 1 with what is wrong.

helm-sdkpy has Helm itself, but not `helm template`: it installs into an API server that accepts everything and keeps
nothing.
"""

import asyncio
import http.server
import json
import sys
import threading
from pathlib import Path

import helm_sdkpy
import kubernetes_validate
import yaml

# The oldest that Chart.yaml admits, and the newest that is known.
VERSIONS = ["1.30", "1.37"]

# Group and version to kinds.
KINDS = {
    "v1": ["ConfigMap", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "cert-manager.io/v1": ["Certificate"],
    "monitoring.coreos.com/v1": ["ServiceMonitor"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}
# They are not Kubernetes' own, which has no schema for them.
OTHERS = ["cert-manager.io/v1", "monitoring.coreos.com/v1"]


def resources(version):
    names = {"NetworkPolicy": "networkpolicies"}
    return [
        {
            "name": names.get(kind, kind.lower() + "s"),
            "kind": kind,
            "namespaced": True,
            "verbs": ["create", "get", "patch"],
        }
        for kind in KINDS[version]
    ]


def discovery(path):
    """What a client asks for before it sends anything; None for everything else."""
    if path == "/version":
        return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [version for version in KINDS if "/" in version]
        groups = []
        for version in versions:
            named = {"groupVersion": version, "version": version.split("/")[1]}
            groups.append({"name": version.split("/")[0], "versions": [named], "preferredVersion": named})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version in KINDS:
        return {"kind": "APIResourceList", "groupVersion": version, "resources": resources(version)}
    return None


class Kubernetes(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        self.answer_with(status, "application/json", json.dumps(value).encode())

    def answer_with(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        found = discovery(self.path.split("?")[0])
        if found:
            self.answer(200, found)
        else:
            self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})

    def do_POST(self):
        # Helm's record of the release comes as protobuf, the rest as JSON.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer_with(201, self.headers["Content-Type"], body)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


def kubeconfig(port):
    named = {"name": "test"}
    return yaml.dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [named | {"cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [named | {"user": {}}],
            "contexts": [named | {"context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    )


async def render(kubernetes, chart, values):
    """The objects of a release of its own, or why there is none."""
    config = helm_sdkpy.Configuration(namespace="matrix", kubeconfig=kubernetes)
    try:
        release = await helm_sdkpy.Install(config).run("front", chart, values=values, wait=False)
    except helm_sdkpy.HelmError as error:
        return error
    return [thing for thing in yaml.safe_load_all(release["manifest"]) if thing]


def validate(thing):
    """What Kubernetes would not take of an object, unknown fields among it."""
    if thing["apiVersion"] in OTHERS:
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {thing['kind']}: {error}"


async def problems(kubernetes, chart, values, refused, output):
    files = sorted(Path(values).glob("*.yaml"))
    refused = yaml.safe_load(Path(refused).read_text())
    taken = [yaml.safe_load(file.read_text()) for file in files]
    # All at once, because the client waits between its questions.
    rendered = await asyncio.gather(
        *(render(kubernetes, chart, values) for values in taken + [case["values"] for case in refused])
    )
    found = []
    for file, things in zip(files, rendered):
        if isinstance(things, Exception):
            found.append(f"{file.name}: {things}")
            continue
        found += [f"{file.name}: {problem}" for thing in things for problem in validate(thing)]
        (Path(output) / f"{file.stem}.json").write_text(json.dumps(things))
    for case, answer in zip(refused, rendered[len(files) :]):
        if not isinstance(answer, Exception):
            found.append(f"{case['values']} is not refused")
        elif case["why"] not in str(answer):
            found.append(f"{case['values']} is refused without {case['why']}: {answer}")
    return found


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = asyncio.run(problems(kubeconfig(server.server_port), *sys.argv[1:]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
