{{/* Who reaches the pods of one process, of the Job that restores what it set and of `helm test`, and where these go. Called with "root",
     "name", "component", "others" (the components of that Job and of that test) and "extra" (further rules of egress). */}}
{{- define "argocd-access-operator.networkPolicy" }}
{{- $policy := .root.Values.networkPolicy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  podSelector:
    matchLabels:
      {{- include "argocd-access-operator.selectorLabels" .root | nindent 6 }}
    matchExpressions:
    - key: app.kubernetes.io/component
      operator: In
      values: [{{ .component }}, {{ join ", " .others }}]
  policyTypes: [Ingress{{ if $policy.egress.enabled }}, Egress{{ end }}]
  # The kubelet of the pod's own node reaches it in any case.
  {{- if $policy.metricsFrom }}
  ingress:
  - from:
      {{- toYaml $policy.metricsFrom | nindent 6 }}
    ports:
    - port: http
      protocol: TCP
  {{- else }}
  ingress: []
  {{- end }}
  {{- if $policy.egress.enabled }}
  egress:
  - to:
      {{- toYaml $policy.egress.apiServer | nindent 6 }}
    ports:
    {{- range $policy.egress.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with $policy.egress.dns }}
  - to:
      {{- toYaml . | nindent 6 }}
    ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- end }}
  {{- with .extra }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end -}}
