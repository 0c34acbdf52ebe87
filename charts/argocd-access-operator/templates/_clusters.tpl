{{/* The names of what serves ClusterAccess: its Deployment, its ServiceAccount, its Roles. */}}
{{- define "argocd-access-operator.clustersName" -}}
{{- printf "%s-clusters" (include "argocd-access-operator.fullname" .) -}}
{{- end -}}

{{/* Whether a Secret of this name is none that could be taken over as a cluster Secret: Argo CD's and argocd-operator's own, those of
     repositories, argocd-agent's certificates, Helm's releases, and the operator's own. The program refuses the same (src/config/clusters.rs). */}}
{{- define "argocd-access-operator.noClusterSecret" -}}
{{- $named := list "argocd-secret" "argocd-initial-admin-secret" "argocd-redis" "argocd-notifications-secret" "argocd-image-updater-secret" "argocd-server-tls" "argocd-repo-server-tls" "argocd-dex-server-tls" "argocd-cluster" "openshift-gitops-cluster" "argocd-ca" "argocd-tls" "openshift-gitops-tls" -}}
{{- if or (has . $named) (regexMatch "^(repo-|creds-|argocd-repo-|argocd-redis-|argocd-agent-|sh\\.helm\\.release\\.|argocd-access-)" .) (regexMatch "(-default-cluster-config|-redis-initial-password)$" .) -}}
true
{{- end -}}
{{- end -}}

{{/* The remote clusters of one instance, as JSON: "clusters" as they are written; of Secrets the names of "own" and "adopted" cluster
     Secrets and of the "managers"; and the names of the ConfigMaps for "aws". Called with the instance. */}}
{{- define "argocd-access-operator.clusters" -}}
{{- $namespace := .namespace -}}
{{- $clusters := (.clusterAccess | default dict).clusters | default list -}}
{{- $names := list -}}
{{- $own := list -}}
{{- $adopted := list -}}
{{- $managers := list -}}
{{- $aws := list -}}
{{- range $clusters -}}
{{- $cluster := ternary (dict "name" .) . (kindIs "string" .) -}}
{{- $name := $cluster.name -}}
{{- if has $name $names -}}
{{- fail (printf "clusterAccess.clusters: the cluster %s of the namespace %s is listed twice" $name $namespace) -}}
{{- end -}}
{{- $names = append $names $name -}}
{{- with $cluster.adoptSecret -}}
{{- if include "argocd-access-operator.noClusterSecret" . -}}
{{- fail (printf "clusterAccess.clusters: %s: adoptSecret %s is no cluster Secret, and whoever may read it could do much more" $name .) -}}
{{- end -}}
{{- if has . $adopted -}}
{{- fail (printf "clusterAccess.clusters: %s: the Secret %s is that of another cluster too" $name .) -}}
{{- end -}}
{{- $adopted = append $adopted . -}}
{{- else -}}
{{- $own = append $own (printf "argocd-access-cluster-%s" $name) -}}
{{- end -}}
{{- $managers = append $managers (printf "argocd-access-manager-%s" $name) -}}
{{- $aws = append $aws (printf "argocd-access-aws-%s" $name) -}}
{{- end -}}
{{- dict "clusters" $clusters "own" $own "adopted" $adopted "managers" $managers "aws" $aws | toJson -}}
{{- end -}}

{{/* The process that serves ClusterAccess as the subject of its bindings. */}}
{{- define "argocd-access-operator.clustersSubject" }}
- kind: ServiceAccount
  name: {{ include "argocd-access-operator.clustersName" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}
