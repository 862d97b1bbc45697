package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// As somebody would write them, and as API servers fill them: little is set, and much has no value.
var manifests = []string{`
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: default
  uid: 3b1f6f0c-0d2a-4c2e-9a44-0f5f4d1c3b7e
  creationTimestamp: "2026-12-01T12:04:31Z"
  generateName: web-
  labels: {app: web, "statefulset.kubernetes.io/pod-name": web-0}
  annotations: {note: "two\nlines", "yes": "no", port: "0x10"}
  ownerReferences:
  - {apiVersion: apps/v1, kind: StatefulSet, name: web, uid: a-b, controller: true, blockOwnerDeletion: false}
  managedFields:
  - {manager: kubectl, operation: Update, apiVersion: v1, time: "2026-12-01T12:04:31Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:nodeName": {}}}}
  - {manager: kubelet, operation: Update, apiVersion: v1, time: "2026-12-01T12:04:35Z", fieldsType: FieldsV1, fieldsV1: {"f:status": {}}, subresource: status}
spec:
  nodeName: n1
  containers:
  - name: web
    image: nginx:1.29
    ports: [{containerPort: 80, protocol: TCP}]
    env: [{name: EMPTY, value: ""}, {name: FROM, valueFrom: {secretKeyRef: {name: s, key: k, optional: false}}}]
    resources: {requests: {cpu: 250m, memory: 64Mi}}
    readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 10}
    livenessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: 0}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes:
  - {name: tmp, emptyDir: {}}
  - {name: all, projected: {sources: [{serviceAccountToken: {path: token}}, {configMap: {name: c, items: [{key: a, path: b}]}}]}}
  - {name: up, downwardAPI: {items: [{path: cpu, resourceFieldRef: {resource: limits.cpu, divisor: 1m}}]}}
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {}
  tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: -1}]
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}]
  conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-12-01T12:04:40Z"}]
  containerStatuses:
  - {name: web, ready: true, restartCount: 0, image: nginx, imageID: "", started: true, state: {running: {startedAt: "2026-12-01T12:04:39Z"}}}
`, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, generation: 2}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}, matchExpressions: [{key: a, operator: In, values: [b]}]}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, command: ["sh", "-c", "echo 'a: b'"]}]}
`, `
apiVersion: v1
kind: Secret
metadata: {name: s}
type: Opaque
data: {password: aHVudGVyMg==, "binary": AP8Q, empty: ""}
`, `
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {a.yaml: "x: 1\ny: 2\n", "n": "1"}
binaryData: {b: AAE=}
`, `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports: [{name: http, port: 80, targetPort: http}, {port: 443, targetPort: 8443, nodePort: 30443}, {port: 1}]
  clusterIP: None
  selector: {app: web}
`, `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: n1}
spec: {holderIdentity: n1, leaseDurationSeconds: 40, renewTime: "2026-12-01T12:04:31.123456Z"}
`, `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-abc}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true, serving: false}}, {addresses: []}]
ports: [{name: "", port: 80, protocol: TCP}]
`, `
apiVersion: v1
kind: Event
metadata: {name: web-0.17}
involvedObject: {kind: Pod, name: web-0}
reason: Started
message: 'Started container "web"'
count: 3
firstTimestamp: "2026-12-01T12:04:31Z"
`, `
apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: web-1}
revision: 1
data: {spec: {template: {"$patch": replace, n: 1.5, many: [1, null, true]}}}
`, `
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: csr}
spec: {request: AAEC, signerName: a/b, usages: [client auth], username: u, extra: {who: [a, b]}}
`, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 5
  scaleTargetRef: {kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}, {nonResourceURLs: [/metrics], verbs: [get]}]
`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: none}
`, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`, `
apiVersion: v1
kind: RangeAllocation
metadata: {name: ips}
range: 10.96.0.0/12
data: AQID
`}

// Each sample is a line of base64, what is stored, and what kubectl prints without managedFields.
func writeSamples(out *bufio.Writer) {
	stored := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	for _, manifest := range manifests {
		object, kind, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(manifest), nil, nil)
		check(err)
		object.GetObjectKind().SetGroupVersionKind(*kind)
		bytes, err := runtime.Encode(stored, object)
		check(err)
		// As it comes out of the store: pointers to nothing and empty lists are what they are there.
		read, _, err := stored.Decode(bytes, nil, nil)
		check(err)
		read.GetObjectKind().SetGroupVersionKind(*kind)
		text, err := json.Marshal(read)
		check(err)
		var fields map[string]any
		check(json.Unmarshal(text, &fields))
		if meta, is := fields["metadata"].(map[string]any); is {
			delete(meta, "managedFields")
		}
		shown, err := yaml.Marshal(fields)
		check(err)
		fmt.Fprintf(out, "--- %s\n%s", base64.StdEncoding.EncodeToString(bytes), shown)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
