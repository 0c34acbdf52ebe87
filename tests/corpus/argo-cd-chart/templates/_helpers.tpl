{{- define "argo-cd.fullname" -}}
{{- if contains "argocd" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-argocd{{ end }}
{{- end }}

{{- define "argo-cd.labels" -}}
helm.sh/chart: {{ .context.Chart.Name }}-{{ .context.Chart.Version }}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
app.kubernetes.io/part-of: argocd
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "argo-cd.server" -}}
{{ include "argo-cd.fullname" . }}-server
{{- end }}

{{- define "argo-cd.exec" -}}
{{- if eq (toString (index .Values.configs.cm "exec.enabled")) "true" }}
- apiGroups: [""]
  resources: [pods/exec]
  verbs: [create]
{{- end }}
{{- end }}
