{{/* Over which nodes the pods of one process are spread: what topologySpreadConstraints says, each for this process alone; by default over
     the nodes. Nothing where there is one pod: it has nobody to be apart from. Called with "root", "component" and "replicas". */}}
{{- define "argocd-access-operator.spread" -}}
{{- $own := fromYaml (include "argocd-access-operator.selectorLabels" .root) -}}
{{- $_ := set $own "app.kubernetes.io/component" .component -}}
{{- $replicas := int (default 1 .replicas) -}}
{{- $constraints := ternary list .root.Values.topologySpreadConstraints (lt $replicas 2) -}}
{{- if kindIs "invalid" $constraints -}}
{{- /* Preferred and not required: with one node alone all of them run there. By the revision, or the pods that an update replaces count. */ -}}
{{- $constraints = list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" "matchLabelKeys" (list "pod-template-hash")) -}}
{{- end -}}
{{- $spread := list -}}
{{- range $constraints -}}
{{- $spread = append $spread (set (deepCopy .) "labelSelector" (dict "matchLabels" $own)) -}}
{{- end -}}
{{- with $spread -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/* Keeps one pod of a process where nodes are drained. With a single pod it would keep the node from being drained. Called with "root",
     "name", "component" and "replicas". */}}
{{- define "argocd-access-operator.disruptionBudget" -}}
{{- if and .root.Values.podDisruptionBudget.enabled (gt (int .replicas) 1) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  minAvailable: 1
  # One that is not ready does nothing that a drained node would interrupt.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "argocd-access-operator.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end -}}
