{{/* Shortens .name to .max characters, keeping it unique by a hash of the whole where something has to go. */}}
{{- define "argocd-access-operator.shorten" -}}
{{- if gt (len .name) (int .max) -}}
{{- printf "%s-%s" (.name | trunc (int (sub .max 9)) | trimSuffix "-") (.name | sha256sum | trunc 8) -}}
{{- else -}}
{{- .name | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The beginning of every namespaced object's name: 50 characters at most, which leaves room for "-as-server" and the like. */}}
{{- define "argocd-access-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- include "argocd-access-operator.shorten" (dict "name" (default $full .Values.fullnameOverride) "max" 50) -}}
{{- end -}}

{{/* The name of an object of the whole cluster. It carries the release's namespace: two releases in one cluster do not meet.
     Called with a dict of "root" and "suffix". */}}
{{- define "argocd-access-operator.clusterName" -}}
{{- $base := printf "%s-%s" (include "argocd-access-operator.fullname" .root) .root.Release.Namespace -}}
{{- $suffix := ternary "" (printf "-%s" .suffix) (empty .suffix) -}}
{{- printf "%s%s" (include "argocd-access-operator.shorten" (dict "name" $base "max" (sub 63 (len $suffix)))) $suffix -}}
{{- end -}}

{{/* The ClusterRole that argocd-server gets for terminals; the operator is told its name. */}}
{{- define "argocd-access-operator.execClusterRole" -}}
{{- include "argocd-access-operator.clusterName" (dict "root" . "suffix" "exec") -}}
{{- end -}}

{{/* The ClusterRoles that an agent gets for Events and for logs; the operator is told their names. */}}
{{- define "argocd-access-operator.eventsClusterRole" -}}
{{- include "argocd-access-operator.clusterName" (dict "root" . "suffix" "live-events") -}}
{{- end -}}
{{- define "argocd-access-operator.logsClusterRole" -}}
{{- include "argocd-access-operator.clusterName" (dict "root" . "suffix" "live-logs") -}}
{{- end -}}

{{/* The arguments by which the operator and the restoring Job are told those names. */}}
{{- define "argocd-access-operator.shipped" -}}
- --exec-cluster-role={{ include "argocd-access-operator.execClusterRole" . }}
- --events-cluster-role={{ include "argocd-access-operator.eventsClusterRole" . }}
- --logs-cluster-role={{ include "argocd-access-operator.logsClusterRole" . }}
{{- end -}}

{{- define "argocd-access-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "argocd-access-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels that select: the component tells the operator's pods from the restoring Job's. */}}
{{- define "argocd-access-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The labels of a pod. */}}
{{- define "argocd-access-operator.podLabels" -}}
{{- include "argocd-access-operator.labelsWith" (dict "root" . "extra" (merge (dict) .Values.podLabels .Values.extraLabels)) -}}
{{- end -}}

{{/* Every label of an object or a pod but its component; never part-of, by which Argo CD recognises its own parts. Called with "root" and
     "extra", those that a person adds. */}}
{{- define "argocd-access-operator.labelsWith" -}}
{{ include "argocd-access-operator.selectorLabels" .root }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- with .extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name, labels and annotations of an object. Called with "root", "name", "component", and optionally
     "annotations" and "labels" of the object's own. */}}
{{- define "argocd-access-operator.metadata" -}}
name: {{ .name | quote }}
labels:
  {{- include "argocd-access-operator.labelsWith" (dict "root" .root "extra" (merge (dict) (.labels | default dict) .root.Values.extraLabels)) | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- with merge (dict) (.annotations | default dict) .root.Values.extraAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "argocd-access-operator.image" -}}
{{- $tagged := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- if .Values.image.digest -}}{{ $tagged }}@{{ .Values.image.digest }}{{- else -}}{{ $tagged }}{{- end -}}
{{- end -}}

{{/* The instances that the operator serves, as JSON {"instances": [...]}: the one of the release's namespace, then the additional ones,
     which have what `instance` says where they say nothing (and no remote clusters: such a one belongs to one instance). Templates range over the list and read nothing else of .Values.instance. */}}
{{- define "argocd-access-operator.instances" -}}
{{- $root := . -}}
{{- $namespaces := list .Release.Namespace -}}
{{- $own := set (deepCopy .Values.instance) "namespace" .Release.Namespace -}}
{{- $all := list (set $own "clusterAccess" (pick .Values.clusterAccess "clusters")) -}}
{{- range $additional := .Values.additionalInstances -}}
{{- if has $additional.namespace $namespaces -}}
{{- fail (printf "additionalInstances: the namespace %s is named twice (the release's own namespace is served already)" $additional.namespace) -}}
{{- end -}}
{{- $namespaces = append $namespaces $additional.namespace -}}
{{- /* Key by key: helm's own merge would not let a false or an empty list replace anything. */ -}}
{{- $merged := deepCopy $root.Values.instance -}}
{{- range $key, $value := $additional -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $merged $key)) -}}
{{- range $inner, $v := $value -}}
{{- $_ := set (get $merged $key) $inner $v -}}
{{- end -}}
{{- else -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- $all = append $all $merged -}}
{{- end -}}
{{- $edited := list -}}
{{- range $all -}}
{{- if kindIs "invalid" .limits.deniedNamespaces -}}
{{- $_ := set .limits "deniedNamespaces" (concat (list "kube-system") $namespaces | uniq) -}}
{{- end -}}
{{- if and (eq .serverRoles "InPlace") .inPlace.clusterRole -}}
{{- if has .inPlace.clusterRole $edited -}}
{{- fail (printf "two instances with serverRoles: InPlace name the same ClusterRole %s: each would take out what the other adds. Name each Argo CD's own, or none" .inPlace.clusterRole) -}}
{{- end -}}
{{- $edited = append $edited .inPlace.clusterRole -}}
{{- end -}}
{{- end -}}
{{- dict "instances" $all | toJson -}}
{{- end -}}

{{/* The end of the name of a cluster's object that belongs to one instance: nothing for the release's own. Called with "root" and
     "namespace". */}}
{{- define "argocd-access-operator.ofInstance" -}}
{{- if ne .namespace .root.Release.Namespace -}}
{{- printf "-%s" (include "argocd-access-operator.shorten" (dict "name" .namespace "max" 24)) -}}
{{- end -}}
{{- end -}}

{{/* Fails where another release of this chart serves one of the namespaces: two operators would undo each other's work. Without a
     cluster to ask (helm template, Argo CD) nothing is found. */}}
{{- define "argocd-access-operator.alone" -}}
{{- $root := . -}}
{{- range $instance := (include "argocd-access-operator.instances" . | fromJson).instances -}}
{{- range $role := (lookup "rbac.authorization.k8s.io/v1" "Role" $instance.namespace "").items -}}
{{- $labels := $role.metadata.labels | default dict -}}
{{- $annotations := $role.metadata.annotations | default dict -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- $of := get $annotations "meta.helm.sh/release-namespace" -}}
{{- $ours := and (eq $release $root.Release.Name) (eq $of $root.Release.Namespace) -}}
{{- if and (eq (get $labels "app.kubernetes.io/name") $root.Chart.Name) (eq (get $labels "app.kubernetes.io/component") "operator") $release (not $ours) -}}
{{- fail (printf "the Argo CD in the namespace %s is served by the release %s of this chart in the namespace %s already; two operators would undo each other's work. Uninstall that one, or leave this namespace out here" $instance.namespace $release $of) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The operator's configuration file. */}}
{{- define "argocd-access-operator.config" -}}
{{- $root := . -}}
{{- $instances := list -}}
{{- range (include "argocd-access-operator.instances" . | fromJson).instances -}}
{{- $written := pick . "namespace" "conflictPolicy" "argocdOperator" "serverRoles" "shells" "restartServer" "confine" "requireExclusive" "writeBackendConfigs" "limits" -}}
{{- if eq .serverRoles "InPlace" -}}
{{- $_ := set $written "inPlace" .inPlace -}}
{{- end -}}
{{- $_ := set $written "live" (pick $root.Values.live "enabled" "configMaps" "agents") -}}
{{- if $root.Values.clusterAccess.enabled -}}
{{- $clusters := (include "argocd-access-operator.clusters" . | fromJson).clusters -}}
{{- $_ := set $written "clusterAccess" (dict "enabled" true "clusters" $clusters) -}}
{{- end -}}
{{- $instances = append $instances $written -}}
{{- end -}}
{{- dict "instances" $instances | toYaml -}}
{{- end -}}

{{/* The operator as the subject of the bindings of in-place.yaml. */}}
{{- define "argocd-access-operator.inPlaceSubject" }}
- kind: ServiceAccount
  name: {{ include "argocd-access-operator.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}
