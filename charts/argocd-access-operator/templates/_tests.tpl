{{/* A Pod of `helm test`: the operator's own check of its installation. Called with "root", "name", "component", "account", "deployment" (the
     one that it looks at), "args" (those of `explain installation`, beside its configuration, that Deployment, its rights and its time),
     "resources" and "extraEnv".

     A Pod and not a Job: `helm test --logs` shows the logs of Pods. For the same reason it stays when it has ended, until the next test:
     helm deletes before it shows. */}}
{{- define "argocd-access-operator.test" -}}
{{- $hook := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation" -}}
apiVersion: v1
kind: Pod
metadata:
  {{- $annotations := merge $hook .root.Values.podAnnotations }}
  {{- include "argocd-access-operator.metadata" (dict "root" .root "name" .name "component" .component "annotations" $annotations "labels" .root.Values.podLabels) | nindent 2 }}
  namespace: {{ .root.Release.Namespace | quote }}
spec:
  restartPolicy: Never
  # One that cannot even be started, such as for want of its image, is not to be waited for until helm's own time is over.
  activeDeadlineSeconds: {{ add .root.Values.tests.timeoutSeconds 120 }}
  {{- include "argocd-access-operator.podSpec" . | nindent 2 }}
  containers:
  - name: test
    args:
    - explain
    - installation
    {{- range .args }}
    - {{ . }}
    {{- end }}
    - --config=/etc/argocd-access/config.yaml
    - --operator-deployment={{ .deployment }}
    - --rights=/etc/argocd-access-rights/rights.yaml
    - --timeout={{ .root.Values.tests.timeoutSeconds }}s
    {{- include "argocd-access-operator.container" . | nindent 4 }}
{{- end -}}

{{/* The roles and bindings of both processes, as they are rendered, without their comments: what is not in one of these the operator does
     not need. */}}
{{- define "argocd-access-operator.rights" -}}
{{- $root := . -}}
{{- range list "role" "clusterrole" "clusterrole-exec" "in-place" "live" "role-restore" "clusters-role" "clusters-aws" "clusters-restore" }}
---
{{- $rendered := include (printf "%s/%s.yaml" $root.Template.BasePath .) $root }}
{{ regexReplaceAll "(?m)^ *#.*\n" $rendered "" }}
{{- end }}
{{- end -}}
