"""What is wrong with the files of infra/, as their users' tools and we ourselves see it. Reads the
folders of infra/ and of spin.toml as JSON from the first argument and prints a list of faults as JSON."""

import json
import pathlib
import sys
import tomllib

import hcl2
import jsonschema
import kubernetes_validate
import yaml

task = json.loads(sys.argv[1])
INFRA = pathlib.Path(task["infra"])
VARIABLES = tomllib.loads(pathlib.Path(task["manifest"]).read_text())["variables"]
PROBES = {"/livez", "/readyz"}
KUBERNETES = "1.31"

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}


def shape(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


PROBE = shape(
    ["httpGet"],
    httpGet=shape(["path"], path=TEXT, httpHeaders={"type": "array"}),
    initialDelaySeconds=NUMBER, periodSeconds=NUMBER, timeoutSeconds=NUMBER,
    successThreshold=NUMBER, failureThreshold=NUMBER,
)
KEY = shape(["name", "key"], name=TEXT, key=TEXT, optional={"type": "boolean"})
VARIABLE = {
    **shape(["name"], name=TEXT, value=TEXT, valueFrom=shape([], secretKeyRef=KEY, configMapKeyRef=KEY)),
    "oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
}
# What core.spinkube.dev/v1alpha1 takes, as far as it is used here.
SPIN_APP = shape(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "core.spinkube.dev/v1alpha1"}, kind={"const": "SpinApp"},
    metadata=shape(["name"], name=TEXT),
    spec=shape(
        ["image", "executor", "replicas"],
        image=TEXT, executor=TEXT, replicas={"type": "integer", "minimum": 1},
        checks=shape(["liveness", "readiness"], liveness=PROBE, readiness=PROBE),
        resources=shape(["requests", "limits"], requests={"type": "object"}, limits={"type": "object"}),
        runtimeConfig=shape(["loadFromSecret"], loadFromSecret=TEXT),
        variables={"type": "array", "items": VARIABLE},
    ),
)
KUSTOMIZATION = shape(
    ["apiVersion", "kind", "namespace", "resources"],
    apiVersion={"const": "kustomize.config.k8s.io/v1beta1"}, kind={"const": "Kustomization"},
    namespace=TEXT, resources={"type": "array", "items": TEXT}, labels={"type": "array"},
    configMapGenerator={"type": "array"},
)

faults = []


def fault(place, text):
    faults.append(f"{place}: {text}")


def objects(folder):
    for path in sorted((INFRA / folder).glob("*.yaml")):
        for thing in yaml.safe_load_all(path.read_text()):
            yield path.relative_to(INFRA), thing


def validate(place, thing):
    """Each object has the shape of its kind."""
    own = {"SpinApp": SPIN_APP, "Kustomization": KUSTOMIZATION}
    try:
        if thing["kind"] in own:
            jsonschema.validate(thing, own[thing["kind"]])
        else:
            kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        fault(place, f"{thing['kind']}: {error.message}")
    except Exception as error:  # A kind or a version that there is not.
        fault(place, f"{thing.get('kind')}: {error}")


def kustomization(folder):
    """It names every file beside it, and none that is not there."""
    files = {path.name for path in (INFRA / folder).glob("*.yaml")} - {"kustomization.yaml"}
    named = set(yaml.safe_load((INFRA / folder / "kustomization.yaml").read_text())["resources"])
    if files != named:
        fault(f"{folder}/kustomization.yaml", f"it does not name just the files beside it: {sorted(files ^ named)}")


def pod_of(thing):
    match thing["kind"]:
        case "StatefulSet" | "Deployment":
            return thing["spec"]["template"]["spec"]
        case "CronJob":
            return thing["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return None


def pod(place, pod):
    """A pod may do what it must, and nothing else."""
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        fault(place, "the pod may run as root, or without seccomp")
    if pod.get("automountServiceAccountToken") is not False:
        fault(place, "the pod gets a token of the cluster")
    for container in pod["containers"]:
        context = container.get("securityContext", {})
        sealed = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if context != sealed:
            fault(place, f"{container['name']} may do more than it must")
        resources = container.get("resources", {})
        if "memory" not in resources.get("limits", {}) or not resources.get("requests"):
            fault(place, f"{container['name']} has no bounds")
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            if container["name"] == "port":
                probe = container.get(name, {}).get("httpGet", {})
                if probe.get("path") not in PROBES or probe.get("port") != "health":
                    fault(place, f"{name} asks for nothing that the host answers")


def variables_in(place, args):
    """What is given as --variable is a variable of the manifest."""
    names = [arg.removeprefix("--variable=") for arg in args if arg.startswith("--variable=")]
    names += [value for flag, value in zip(args, args[1:]) if flag == "--variable"]
    for name in (given.split("=")[0] for given in names):
        if name not in VARIABLES:
            fault(place, f"there is no variable {name}")


def references(folder):
    """What names something else names what is there."""
    things = list(objects(folder))
    ports, labels = set(), []
    for place, thing in things:
        if pod := pod_of(thing):
            template = thing["spec"].get("template") or thing["spec"]["jobTemplate"]["spec"]["template"]
            labels.append(template.get("metadata", {}).get("labels", {}))
            for container in pod["containers"]:
                ports |= {port["name"] for port in container.get("ports", [])}
                variables_in(place, container.get("args", []))
    is_met = lambda selector: any(selector.items() <= those.items() for those in labels)
    for place, thing in things:
        spec = thing.get("spec", {})
        if thing["kind"] == "Service":
            for port in spec["ports"]:
                if port.get("targetPort", port["port"]) not in ports:
                    fault(place, f"no container has the port {port.get('targetPort')}")
            if not is_met(spec["selector"]):
                fault(place, "the Service selects nothing")
        if thing["kind"] == "NetworkPolicy":
            named = [port["port"] for rule in spec["ingress"] for port in rule.get("ports", [])]
            for name in set(named) - ports:
                fault(place, f"no container has the port {name}")
        if thing["kind"] in ("NetworkPolicy", "PodDisruptionBudget") and folder == "kubernetes":
            selector = spec.get("podSelector") or spec.get("selector")
            if not is_met(selector["matchLabels"]):
                fault(place, f"the {thing['kind']} selects nothing")
        if thing["kind"] == "SpinApp":
            given = {variable["name"] for variable in spec["variables"]}
            required = {name for name, about in VARIABLES.items() if about.get("required")} | {"postgres_url"}
            for name in required - given:
                fault(place, f"the variable {name} is not given")
            for name in given - set(VARIABLES) - {"postgres_url", "postgres_host"}:
                fault(place, f"there is no variable {name}")
            secret = {name for name, about in VARIABLES.items() if about.get("secret")} | {"postgres_url"}
            for variable in spec["variables"]:
                if variable["name"] in secret and "value" in variable:
                    fault(place, f"the secret {variable['name']} is in the file")


def nomad():
    """The job has the shape that it must have, for a store that one process at a time may open."""
    place = "nomad/virtualworldport.nomad.hcl"
    try:
        job = hcl2.loads((INFRA / place).read_text())
    except Exception as error:
        return fault(place, f"this is no HCL: {error}")
    text = lambda value: value.strip('"') if isinstance(value, str) else value
    one = lambda blocks: next(iter(blocks[0].values()))
    group = one(one(job["job"])["group"])
    task = one(group["task"])
    config = task["config"][0]
    if group["count"] != 1 or group["update"][0]["max_parallel"] != 1:
        fault(place, "more than one process would open the store")
    if config["readonly_rootfs"] is not True or [text(name) for name in config["cap_drop"]] != ["all"]:
        fault(place, "the container may do more than it must")
    if text(task["kill_timeout"]) != "30s" or text(task["kill_signal"]) != "SIGTERM":
        fault(place, "the task is not left the time to end its requests")
    ports = {text(name) for port in group["network"][0]["port"] for name in port}
    if ports != {text(name) for name in config["ports"]}:
        fault(place, "the container's ports are not the group's")
    check = group["service"][0]["check"][0]
    if text(check["path"]) not in PROBES or text(check["port"]) not in ports:
        fault(place, "the check asks for nothing that the host answers")
    variables_in(place, [text(arg) for arg in config["args"]])


for folder in ("kubernetes", "spinkube"):
    for place, thing in objects(folder):
        validate(place, thing)
        if found := pod_of(thing):
            pod(place, found)
    kustomization(folder)
    references(folder)
nomad()
print(json.dumps(faults))
